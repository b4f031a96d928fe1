"""The keys of `gateway.yaml` as tables: what a gateway agent checks it by, and what its JSON Schema is made of."""

from __future__ import annotations

from collections.abc import Mapping

from city.keys import Key, Kind

PRIORITIES = ("low", "normal", "high")
WHEN_FULL = ("drop_oldest", "hold")
REGISTER_TYPES = ("int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bit")
TABLES = ("holding", "input", "coil", "discrete")
ORDERS = ("big", "little")

OUTBOX: Mapping[str, Key] = {
    "folder": Key(Kind.TEXT, "Where the outbox lies, beside this file when not absolute.", required=True),
    "size_mb": Key(Kind.NUMBER, "How much may wait, in megabytes (200)."),
    "age": Key(Kind.DURATION, "How long readings may wait (no end)."),
    "when_full": Key(Kind.WORD, "Drop the oldest of the lowest priority, or hold the sources.", words=WHEN_FULL),
}
BACKLOG: Mapping[str, Key] = {
    "rate": Key(Kind.NUMBER, "Readings a second for what an outage left behind, beside live readings (1000)."),
}
TIME: Mapping[str, Key] = {
    "column": Key(Kind.TEXT, "The column with the time.", required=True),
    "format": Key(Kind.TEXT, "iso, unix_s, unix_ms, or as strptime writes it (iso)."),
    "zone": Key(Kind.TEXT, "The time zone of times written without an offset: an IANA name."),
}
VALUE: Mapping[str, Key] = {
    "column": Key(Kind.TEXT, "The column with the value.", required=True),
    "sensor": Key(Kind.TEXT, "The sensor's name; {column} stands for what a column holds.", required=True),
    "unit": Key(Kind.TEXT, "The value's unit (as registered)."),
}
_BASIC: Mapping[str, Key] = {
    "id": Key(Kind.ID, "The source's short name, told in the status.", required=True),
    "type": Key(Kind.WORD, "What kind of source it is.", required=True),
    "priority": Key(Kind.WORD, "What goes last when the outbox is full (normal).", words=PRIORITIES),
}
_ROWS: Mapping[str, Key] = {
    "values": Key(Kind.MAPPINGS, "The values of a row, one reading each.", required=True, keys=VALUE),
    "time": Key(Kind.MAPPING, "When a row was measured (when it came).", keys=TIME),
    "missing": Key(Kind.WORDS, "Texts that stand for no value."),
}
_JSON: Mapping[str, Key] = {
    **_ROWS,
    "each": Key(Kind.TEXT, "The list in the payload whose entries are the rows (the payload is one row, or a list)."),
}
MQTT: Mapping[str, Key] = {
    **_BASIC,
    "broker": Key(Kind.TEXT, "mqtt://user:password@host:port of the local broker, or broker_env.", required=False),
    "broker_env": Key(Kind.TEXT, "The environment variable with the local broker's address."),
    "topics": Key(Kind.WORDS, "Topics to subscribe to; + and # are allowed.", required=True),
    **_JSON,
}
REGISTER: Mapping[str, Key] = {
    "sensor": Key(Kind.TEXT, "The sensor's name.", required=True),
    "address": Key(Kind.PLAIN, "The first register's address, 0 to 65535.", required=True),
    "type": Key(Kind.WORD, "How the value is written (uint16).", words=REGISTER_TYPES),
    "table": Key(Kind.WORD, "Which table it is in (holding).", words=TABLES),
    "scale": Key(Kind.PLAIN, "What the number is multiplied by (1)."),
    "offset": Key(Kind.PLAIN, "What is added then (0)."),
    "unit": Key(Kind.TEXT, "The value's unit (as registered)."),
    "byte_order": Key(Kind.WORD, "The order of the bytes in a register (the source's).", words=ORDERS),
    "word_order": Key(Kind.WORD, "The order of the registers of a value (the source's).", words=ORDERS),
    "every": Key(Kind.DURATION, "How often it is read (as the source)."),
}
MODBUS: Mapping[str, Key] = {
    **_BASIC,
    "host": Key(Kind.TEXT, "The device, or the bridge before it.", required=True),
    "port": Key(Kind.COUNT, "Its TCP port (502)."),
    "device": Key(Kind.COUNT, "The device's number behind a bridge, 1 to 255 (1)."),
    "every": Key(Kind.DURATION, "How often registers are read.", required=True),
    "timeout": Key(Kind.DURATION, "How long an answer may take (3s)."),
    "byte_order": Key(Kind.WORD, "The order of the bytes in a register (big).", words=ORDERS),
    "word_order": Key(Kind.WORD, "The order of the registers of a value (big).", words=ORDERS),
    "registers": Key(Kind.MAPPINGS, "What to read.", required=True, keys=REGISTER),
}
FILE: Mapping[str, Key] = {
    **_BASIC,
    "path": Key(Kind.TEXT, "The file that grows; rotated ones lie beside it as NAME.*.", required=True),
    "format": Key(Kind.WORD, "csv with a header row, or one JSON object a line (by the name).", words=("csv", "jsonl")),
    "delimiter": Key(Kind.TEXT, "What separates columns (a comma)."),
    "every": Key(Kind.DURATION, "How often to look for new lines (1s)."),
    **_ROWS,
}
HTTP: Mapping[str, Key] = {
    **_BASIC,
    "url": Key(Kind.TEXT, "The http or https address that answers with JSON.", required=True),
    "every": Key(Kind.DURATION, "How often to ask.", required=True),
    "timeout": Key(Kind.DURATION, "How long an answer may take (10s)."),
    **_JSON,
}
POST: Mapping[str, Key] = {
    **_BASIC,
    "listen": Key(Kind.TEXT, "Loopback address and port that accept POSTs of JSON: 127.0.0.1:8090.", required=True),
    **_JSON,
}
SERIAL: Mapping[str, Key] = {
    **_BASIC,
    "port": Key(Kind.TEXT, "The device file, or COM1.", required=True),
    "baud": Key(Kind.COUNT, "Bits a second (9600)."),
    "pattern": Key(Kind.TEXT, "A regular expression for a line; its named groups are the columns.", required=True),
    **_ROWS,
}
SOURCES: Mapping[str, Mapping[str, Key]] = {
    "mqtt": MQTT,
    "modbus": MODBUS,
    "file": FILE,
    "http": HTTP,
    "post": POST,
    "serial": SERIAL,
}
TLS = ("broker_ca", "broker_certificate", "broker_key")
GATEWAY: Mapping[str, Key] = {
    "version": Key(Kind.COUNT, "The version of this format: 1.", required=True),
    "district": Key(Kind.ID, "The gateway's district, as registered.", required=True),
    "gateway": Key(Kind.ID, "The gateway's name, as registered.", required=True),
    "broker": Key(Kind.TEXT, "mqtt(s)://user:password@host:port of the city's broker, or broker_env."),
    "broker_env": Key(Kind.TEXT, "The environment variable with the address of the city's broker."),
    "broker_ca": Key(Kind.TEXT, "Authorities to trust for mqtts (PEM file), instead of the system's."),
    "broker_certificate": Key(Kind.TEXT, "Who the gateway is, for a broker that asks (PEM file)."),
    "broker_key": Key(Kind.TEXT, "Its key (PEM file without a password); else in the certificate's file."),
    "outbox": Key(Kind.MAPPING, "Where readings wait until the broker has them.", required=True, keys=OUTBOX),
    "backlog": Key(Kind.MAPPING, "How what an outage left behind is sent.", keys=BACKLOG),
    "gather": Key(Kind.DURATION, "How long readings are gathered into one message (500ms)."),
    "status_every": Key(Kind.DURATION, "How often the status is told (1m)."),
    "accept_push": Key(Kind.YES, "Whether a retained message on …/config may replace the sources (false)."),
    "sources": Key(Kind.MAPPINGS, "Where readings come from.", required=True),
}
