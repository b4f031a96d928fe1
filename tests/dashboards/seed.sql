-- Two standing incidents, one of them a drill, a closed one, a gateway that is gone, a reader of schema city; time stands still.
INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%(now)s, %(now)s, 1e-9);
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat) VALUES
  ('u1', 'underpass', '{"en": "North underpass", "zh": "北下穿"}', 'north', 121.40, 31.20),
  ('b1', 'bridge', '{"en": "Old bridge"}', 'north', 121.41, 31.21),
  ('g1', 'gas_main', '{"en": "Main 1", "zh": "一号干管"}', 'so''uth', 121.42, 31.22);
INSERT INTO lifeline.gateways (gateway, district, interval_s) VALUES
  ('gw1', 'north', 60), ('gw2', 'so''uth', 60), ('gw3', 'north', 60);
INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat) VALUES
  ('w1', 'gw1', 'u1', 'water_depth', 'waterlogging', 'cm', 60, 121.40, 31.20),
  ('w2', 'gw1', 'u1', 'water_depth', 'waterlogging', 'cm', 60, 121.40, 31.20),
  ('s1', 'gw3', 'b1', 'strain', 'bridge', 'um/m', 60, 121.41, 31.21),
  ('m1', 'gw2', 'g1', 'methane', 'gas', '%%LEL', 60, 121.42, 31.22);
INSERT INTO lifeline.latest
  SELECT sensor_id, %(now)s - interval '10 s', 30, 1, %(now)s - interval '5 s' FROM lifeline.sensors WHERE sensor <> 's1';
INSERT INTO lifeline.gateway_ledger (gateway, online, last_seen, skew_s) VALUES
  ('gw1', true, %(now)s - interval '5 s', 1.5), ('gw2', true, %(now)s - interval '20 s', 0.5),
  ('gw3', false, %(now)s - interval '2 h', 9);
INSERT INTO lifeline.incidents
  (incident, site, district, level, peak_level, stage, opened_at, closed_at, title, first_alarm, chain, chain_version, drill)
VALUES
  ('I-1', 'u1', 'north', 3, 4, 'dispatched', %(now)s - interval '40 min', NULL, '{"en": "Water", "zh": "积水"}', 'A-1', 'c', '1', false),
  ('I-2', 'g1', 'so''uth', 4, 4, 'raised', %(now)s - interval '5 min', NULL, '{"en": "Gas"}', 'A-2', 'c', '1', true),
  ('I-0', 'u1', 'north', 0, 2, 'closed', %(now)s - interval '3 h', %(now)s - interval '2 h', '{"en": "Past"}', 'A-0', 'c', '1', false);
INSERT INTO lifeline.alarms
  (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level, condition, raised_at, cleared_at, incident, title)
VALUES
  ('A-0', 'depth', '1', 'w1', 'w1', 'u1', 'north', 'waterlogging', 0, 2, 'normal', %(now)s - interval '3 h', %(now)s - interval '2 h', 'I-0', '{"en": "t"}'),
  ('A-1', 'depth', '1', 'w1', 'w1', 'u1', 'north', 'waterlogging', 3, 4, 'unknown', %(now)s - interval '40 min', NULL, 'I-1', '{"en": "t"}'),
  ('A-2', 'methane', '1', 'm1', 'm1', 'g1', 'so''uth', 'gas', 4, 4, 'active', %(now)s - interval '5 min', NULL, 'I-2', '{"en": "t"}'),
  ('A-3', 'silent', '1', 'gw3', NULL, 'b1', 'north', 'platform', 2, 2, 'active', %(now)s - interval '2 h', NULL, NULL, '{"en": "t"}');
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
