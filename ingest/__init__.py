"""From MQTT into the database: the private broker, the decoder, the admission test and the recorder.

A message is acknowledged only after the transaction that holds its readings, or the row that says why not, has
committed.
"""
