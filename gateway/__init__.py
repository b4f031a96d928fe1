"""The edge: gateways that never lose a reading, and the simulated and recorded cities that speak through them.

`outbox` keeps messages on disk until the broker has confirmed them, `agent` carries them over MQTT; `simulate` is a
whole city of such gateways, `replay` plays recorded files through them. This room knows only `city`: a gateway can be
far away from the operations centre, and in the field it is somebody else's box speaking the same contract.
"""
