"""CAP 1.2: what the outside is told of an incident, as the Common Alerting Protocol has it. Facts in, XML out; no I/O.

`plan` says who speaks to whom (`cap:` of escalation.yaml, read by `capfile`), `chain` which message a change of an
incident asks for, `facts` what is known, `message` writes the XML, and `checks` holds it against the rules that the
protocol's own schema does not have. Nothing is released here: that takes a person.
"""
