-- Two standing incidents, an exercise's, a closed one, alarms held back, a gateway that is gone, a place nobody sees,
-- limits, a reader of schema city; time stands still.
INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%(now)s, %(now)s, 1e-9);
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat) VALUES
  ('u1', 'underpass', '{"en": "North underpass", "zh": "北下穿"}', 'north', 121.40, 31.20),
  ('b1', 'bridge', '{"en": "Old bridge"}', 'north', 121.41, 31.21),
  ('g1', 'gas_main', '{"en": "Main 1", "zh": "一号干管"}', 'so''uth', 121.42, 31.22),
  ('b2', 'bridge', '{"en": "Far bridge"}', 'north', 121.43, 31.23),
  ('t1', 'ground', '{"en": "Tunnel"}', 'north', 121.44, 31.24);
INSERT INTO lifeline.gateways (gateway, district, interval_s) VALUES
  ('gw1', 'north', 60), ('gw2', 'so''uth', 60), ('gw3', 'north', 60);
INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat) VALUES
  ('w1', 'gw1', 'u1', 'water_depth', 'waterlogging', 'cm', 60, 121.40, 31.20),
  ('w2', 'gw1', 'u1', 'water_depth', 'waterlogging', 'cm', 60, 121.40, 31.20),
  ('s1', 'gw3', 'b1', 'strain', 'bridge', 'um/m', 60, 121.41, 31.21),
  ('m1', 'gw2', 'g1', 'methane', 'gas', '%%LEL', 60, 121.42, 31.22),
  ('s2', 'gw3', 'b2', 'strain', 'bridge', 'um/m', 60, 121.43, 31.23),
  ('l1', 'gw1', 't1', 'settlement', 'settlement', 'mm', 60, 121.44, 31.24);
INSERT INTO lifeline.limits (sensor, rule, level, side, value) VALUES
  ('w1', 'depth', 2, 'high', 15), ('w1', 'depth', 4, 'high', 40), ('w2', 'depth', 2, 'high', 60),
  ('l1', 'sink', 3, 'low', -20), ('m1', 'methane', 4, 'high', 25);
INSERT INTO lifeline.latest
  SELECT sensor_id, %(now)s - interval '10 s', 30, 1, %(now)s - interval '5 s' FROM lifeline.sensors WHERE sensor NOT IN ('s1', 's2');
INSERT INTO lifeline.gateway_ledger (gateway, online, last_seen, skew_s) VALUES
  ('gw1', true, %(now)s - interval '5 s', 1.5), ('gw2', true, %(now)s - interval '20 s', 0.5),
  ('gw3', false, %(now)s - interval '2 h', 9);
INSERT INTO lifeline.incidents
  (incident, site, district, level, peak_level, stage, opened_at, closed_at, title, first_alarm, chain, chain_version, drill)
VALUES
  ('I-1', 'u1', 'north', 3, 4, 'dispatched', %(now)s - interval '40 min', NULL, '{"en": "Water", "zh": "积水"}', 'A-1', 'c', '1', false),
  ('I-2', 'g1', 'so''uth', 4, 4, 'raised', %(now)s - interval '5 min', NULL, '{"en": "Gas"}', 'A-2', 'c', '1', false),
  ('I-3', 'g1', 'so''uth', 4, 4, 'raised', %(now)s - interval '3 min', NULL, '{"en": "Leak"}', 'A-7', 'c', '1', true),
  ('I-0', 'u1', 'north', 0, 2, 'closed', %(now)s - interval '3 h', %(now)s - interval '2 h', '{"en": "Past"}', 'A-0', 'c', '1', false);
INSERT INTO lifeline.alarms
  (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level, condition, raised_at, cleared_at, incident, title)
VALUES
  ('A-0', 'depth', '1', 'w1', 'w1', 'u1', 'north', 'waterlogging', 0, 2, 'normal', %(now)s - interval '3 h', %(now)s - interval '2 h', 'I-0', '{"en": "t"}'),
  ('A-1', 'depth', '1', 'w1', 'w1', 'u1', 'north', 'waterlogging', 3, 4, 'unknown', %(now)s - interval '40 min', NULL, 'I-1', '{"en": "t"}'),
  ('A-2', 'methane', '1', 'm1', 'm1', 'g1', 'so''uth', 'gas', 4, 4, 'active', %(now)s - interval '5 min', NULL, 'I-2', '{"en": "t"}'),
  ('A-3', 'silent', '1', 'gw3', NULL, 'b1', 'north', 'platform', 2, 2, 'active', %(now)s - interval '2 h', NULL, NULL, '{"en": "t"}');
INSERT INTO lifeline.alarms
  (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level, condition, raised_at, hold, hold_reason, drill, incident, title)
VALUES
  ('A-4', 'sink', '1', 'l1', 'l1', 't1', 'north', 'settlement', 4, 4, 'active', %(now)s - interval '1 h', 'shelved', 'li', '', NULL, '{"en": "t"}'),
  ('A-5', 'sunk', '1', 'l1', 'l1', 't1', 'north', 'settlement', 2, 2, 'active', %(now)s - interval '1 h', 'suppressed', 'sink/l1 stands', '', NULL, '{"en": "t"}'),
  ('A-6', 'sank', '1', 'l1', 'l1', 't1', 'north', 'settlement', 2, 2, 'active', %(now)s - interval '1 h', 'suppressed', 'maintenance site/t1', '', NULL, '{"en": "t"}'),
  ('A-7', 'methane', '1', 'm1', 'm1', 'g1', 'so''uth', 'gas', 4, 4, 'active', %(now)s - interval '3 min', '', '', 'D-1', 'I-3', '{"en": "t"}');
INSERT INTO lifeline.floods (flood, desk, since, started_at, ended_at, alarms, peak, digests) VALUES
  ('F-1', 'city', %(now)s - interval '9 min', %(now)s - interval '5 min', NULL, 12, 12, 1),
  ('F-0', 'city', %(now)s - interval '9 h', %(now)s - interval '8 h', %(now)s - interval '7 h', 12, 12, 1);
INSERT INTO lifeline.drills (drill, state, scenario, digest, title, by, people, sensors, districts, wishes, seq, started_at, until)
VALUES ('D-1', 'running', 'x.yaml', 'x', '{"en": "Night drill"}', 'li', '{}', '{m1}', '{so''uth}', '[]', 1, %(now)s - interval '4 min', %(now)s + interval '1 h');
INSERT INTO lifeline.maintenance (occurrence, window_id, title, selector, districts, starts_at, ends_at, up_to, reason, state)
VALUES ('mw@1', 'mw', '{"en": "Pipe works"}', '{}', '{north}', %(now)s - interval '1 h', %(now)s + interval '2 h', 3, 'x', 'running');
INSERT INTO lifeline.incident_clocks (incident, number, clock, level, began_at, due_at, state, settled_at) VALUES
  ('I-1', 1, 'acknowledge', 4, %(now)s - interval '40 min', %(now)s - interval '35 min', 'missed', %(now)s - interval '35 min'),
  ('I-1', 1, 'close', 4, %(now)s - interval '40 min', %(now)s + interval '2 h', 'running', NULL);
INSERT INTO lifeline.incident_events (event, time, incident, kind, actor, note, person) VALUES
  ('20', %(now)s - interval '40 min', 'I-1', 'opened', '', '', ''), ('21', %(now)s - interval '30 min', 'I-1', 'dispatch', 'li', 'crew 2', 'li');
INSERT INTO lifeline.bands (sensor_id, place, time, expected, low, high)
SELECT sensor_id, at, %(now)s - at * interval '30 min' - interval '5 min', 12 + at, 9 + at, 15 + at
FROM lifeline.sensors, generate_series(0, 3) at WHERE sensor = 'w1';
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, return_period_years, direction, expected, low,
                               high, reason) VALUES
  (%(now)s - interval '20 min', 'w1', 'early_sign', 'level_16', 'abnormal', 1.4, 8, 'up', 13, 10, 16,
   'a 1-in-8-years reading for this sensor: 25 cm, expected 13 (10 to 16), level over 16 intervals, up');
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, direction, expected, low, high, reason) VALUES
  (%(now)s - interval '30 min', 'w1', 'flood_onset', '', 'abnormal', 9, 'up', 12, 10, 14, 'rises'),
  (%(now)s - interval '10 min', 'w1', 'flood_onset', '', 'normal', 0, '', 30, 28, 32, '');
INSERT INTO lifeline.alarm_events
  (event, time, recorded_at, alarm, kind, from_level, to_level, from_condition, to_condition, reason, evidence)
VALUES
  ('1', %(now)s - interval '3 h', %(now)s, 'A-0', 'raised', 0, 2, 'normal', 'active', '', '[]'),
  ('2', %(now)s - interval '2 h', %(now)s, 'A-0', 'cleared', 2, 0, 'active', 'normal', '', '[]'),
  ('3', %(now)s - interval '40 min', %(now)s, 'A-1', 'raised', 0, 4, 'normal', 'active', '', '[]'),
  ('4', %(now)s - interval '20 min', %(now)s, 'A-1', 'fell', 4, 3, 'active', 'active', '', '[]'),
  ('5', %(now)s - interval '10 min', %(now)s, 'A-1', 'data_lost', 3, 3, 'active', 'unknown', '', '[]'),
  ('6', %(now)s - interval '5 min', %(now)s, 'A-2', 'raised', 0, 4, 'normal', 'active', '', '[]'),
  ('7', %(now)s - interval '2 h', %(now)s, 'A-3', 'raised', 0, 2, 'normal', 'active', '', '[]');
INSERT INTO lifeline.notices
  (notice, incident, kind, round, step, target, via, channel, state, level, content, created_at, next_try_at)
VALUES
  ('N-1', 'I-1', 'raise', 1, 0, 'li', 'li', 'webhook', 'sent', 4, '{}', %(now)s - interval '40 min', %(now)s),
  ('N-2', 'I-2', 'raise', 1, 0, 'li', 'li', 'webhook', 'queued', 4, '{}', %(now)s - interval '5 min', %(now)s),
  ('N-3', 'I-2', 'raise', 1, 0, 'li', 'li', 'email', 'queued', 4, '{}', %(now)s + interval '5 min', %(now)s);
INSERT INTO lifeline.health (name, value, state, since) VALUES ('disk', 0.1, 'fault', %(now)s), ('x', 1, 'ok', %(now)s);
CREATE ROLE wall_reader LOGIN;
GRANT USAGE ON SCHEMA city TO wall_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA city TO wall_reader;
