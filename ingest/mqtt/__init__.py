"""The receiving side of MQTT 5 and 3.1.1, without any I/O: bytes and times in, packets and bytes out.

=========== ==========================================================================================
module      what
=========== ==========================================================================================
`words`     reason codes, and the one error this package raises
`fields`    numbers, text and version 5 properties
`packets`   what can come and what we send, as values
`reader`    a stream in chunks of any size → packets
`encode`    packets → bytes
`client`    one connection: what may follow what, packet numbers, keep-alive
=========== ==========================================================================================
"""
