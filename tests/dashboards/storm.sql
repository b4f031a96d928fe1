-- A city in a storm, at the fixed moment `now`: every kind of row that pages read, ids and names with quotes in them.
INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%(now)s, %(now)s, 1e-9);
INSERT INTO lifeline.districts (district, name) VALUES
  ('north', '{"en": "North", "zh": "北区"}'), ('so''uth', '{"en": "So''uth", "zh": "南''区"}'), ('port', '{"en": "Port"}');
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat, owner)
  SELECT 's' || n, (ARRAY['underpass', 'manhole', 'bridge', 'ground'])[1 + n %% 4],
         CASE n WHEN 0 THEN '{"en": "O''Brien \"Old\" underpass; DROP", "zh": "老''桥\"下\"穿"}'
                WHEN 1 THEN '{"en": "Same name", "zh": "同名"}' WHEN 5 THEN '{"en": "Same name", "zh": "同名"}'
                ELSE jsonb_build_object('en', 'Site ' || n) END::jsonb,
         (ARRAY['north', 'so''uth', 'port'])[1 + n %% 3], 121.4 + n / 100.0, 31.2 + n %% 4 / 100.0,
         CASE WHEN n %% 2 = 0 THEN 'Water''s & Co' ELSE '' END
  FROM generate_series(0, 17) n;
INSERT INTO lifeline.gateways (gateway, district, name, interval_s, lon, lat)
  SELECT 'g' || n, (ARRAY['north', 'so''uth', 'port'])[1 + n %% 3], 'Gate''way ' || n, 60, 121.4, 31.2
  FROM generate_series(0, 5) n;
-- The last six never spoke, and are alone on their sites.
INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, name, lon, lat, range_min, range_max)
  SELECT 'x' || n, 'g' || n %% 6, 's' || CASE WHEN n < 24 THEN n %% 12 ELSE n - 12 END,
         (ARRAY['water_depth', 'methane', 'strain', 'settlement', 'rainfall', 'vibration'])[1 + n %% 6],
         (ARRAY['waterlogging', 'gas', 'bridge', 'settlement', 'weather', 'bridge'])[1 + n %% 6],
         (ARRAY['cm', '%%LEL', 'um/m', 'mm', 'mm', 'mm/s'])[1 + n %% 6], 60, CASE WHEN n %% 5 = 0 THEN 'Probe ''' || n ELSE '' END,
         121.4 + n / 200.0, 31.2 + n %% 4 / 100.0, 0, CASE WHEN n %% 3 > 0 THEN 200 END
  FROM generate_series(0, 29) n;
INSERT INTO lifeline.gateway_ledger
  (gateway, online, last_seen, skew_s, last_seq, buffered, version, published, received, stored, repeated, rejected, missing)
  SELECT 'g' || n, n <> 4, CASE WHEN n < 4 THEN %(now)s - n * interval '7 s' WHEN n = 4 THEN %(now)s - interval '3 h' END,
         n * 40 - 20, 1000, n * 100, '1.' || n, 1000, 990, 900, 40, 30, 10
  FROM generate_series(0, 5) n;
INSERT INTO lifeline.health (name, value, unit, state, since, advice) VALUES
  ('disk', 0.93, '', 'fault', %(now)s - interval '1 h', 'make room: it''s full'), ('journal', 12, 'rows', 'ok', %(now)s, ''),
  ('memory', NULL, '', 'warning', %(now)s - interval '2 h', 'look');
INSERT INTO lifeline.roles (role, pid, started_at, beat_at, heard_until, detail)
  SELECT r, 1, %(now)s - interval '2 d', %(now)s - interval '1 s', %(now)s, '{"rows_s": 120}'
  FROM unnest(ARRAY['recorder', 'watcher', 'notifier', 'api', 'keeper']) r;
INSERT INTO lifeline.sizes (hour, bytes)
  SELECT date_trunc('hour', %(now)s::timestamptz) - h * interval '1 hour', 9e9 - h * 1e6 FROM generate_series(0, 719) h;
INSERT INTO lifeline.bundles (bundle, files, applied_at) VALUES ('b1', '{}', %(now)s - interval '1 d');
INSERT INTO lifeline.current_bundle (bundle) VALUES ('b1');
INSERT INTO lifeline.deafness (since, until) VALUES
  (%(now)s - interval '4 h', %(now)s - interval '5 h'), (%(now)s - interval '9 d', NULL);
INSERT INTO lifeline.rejections (received_at, gateway, topic, sensor, time, reason, detail, payload, replayed_at)
  SELECT %(now)s - n * n * interval '3 min', CASE WHEN n %% 5 > 0 THEN 'g' || n %% 6 ELSE '' END, 'city/x',
         CASE WHEN n %% 3 > 0 THEN 'it''s' || n ELSE '' END, CASE WHEN n %% 4 > 0 THEN %(now)s + interval '9 d' END,
         (ARRAY['unknown_sensor', 'future', 'unreadable', 'unit'])[1 + n %% 4], 'got ''x''', '\x00'::bytea,
         CASE WHEN n %% 7 = 0 THEN %(now)s END
  FROM generate_series(1, 60) n;
INSERT INTO lifeline.drills (drill, state, scenario, digest, title, by, people, sensors, districts, wishes, seq, started_at,
                             until, ended_at, ended_why, report) VALUES
  ('D-1', 'ended', 's.yaml', 'x', '{"en": "Drill", "zh": "演习"}', 'li', '{}', '{x1}', '{north}', '{}', 1,
   %(now)s - interval '3 d', %(now)s - interval '2 d', %(now)s - interval '2 d', 'done', '{}'),
  ('D-2', 'running', 's.yaml', 'x', '{"en": "Drill''s 2"}', 'o''neil', '{li}', '{x1}', '{so''uth}', '{}', 2,
   %(now)s - interval '1 h', %(now)s + interval '1 h', NULL, '', NULL);
INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, acknowledged, opened_at, closed_at, title,
                                first_alarm, chain, chain_version, drill, drill_id, acknowledged_at, falls_at)
  SELECT 'I-' || n, 's' || n %% 12, (ARRAY['north', 'so''uth', 'port'])[1 + n %% 12 %% 3],
         CASE WHEN n < 16 THEN 1 + n %% 4 ELSE 0 END, 1 + n %% 4,
         CASE WHEN n < 16 THEN (ARRAY['raised', 'confirmed', 'analysed', 'dispatched', 'on_site', 'reported'])[1 + n %% 6]
              WHEN n %% 9 = 0 THEN 'false_alarm' ELSE 'closed' END,
         n %% 2 = 0, %(now)s - n * n * interval '15 min' - interval '1 min',
         CASE WHEN n >= 16 THEN %(now)s - n * n * interval '15 min' + interval '50 min' END,
         jsonb_build_object('en', 'Water at O''Brien''s ' || n) || CASE WHEN n %% 2 = 0 THEN '{"zh": "积水"}' ELSE '{}' END::jsonb,
         'A-' || n * 4, 'chain', '1', n %% 10 = 3, CASE WHEN n %% 10 = 3 THEN 'D-2' ELSE '' END,
         CASE WHEN n %% 2 = 0 THEN %(now)s - n * n * interval '15 min' + interval '2 min' END,
         CASE WHEN n = 5 THEN %(now)s + interval '5 min' END
  FROM generate_series(0, 50) n;
INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, gateway, site, district, domain, level, peak_level,
                             condition, acknowledged, hold, hold_reason, latched, raised_at, cleared_at, late, incident, title, drill)
  SELECT 'A-' || n, CASE WHEN n %% 16 = 7 THEN 'silent' ELSE 'rule''s-' || n %% 4 END, '1',
         CASE WHEN n %% 16 = 7 THEN 'g' || n %% 6 ELSE 'x' || n %% 24 END,
         CASE WHEN n %% 16 <> 7 THEN 'x' || n %% 24 END, 'g' || n %% 6, 's' || n %% 12,
         (ARRAY['north', 'so''uth', 'port'])[1 + n %% 12 %% 3],
         CASE WHEN n %% 16 = 7 THEN 'platform' ELSE (ARRAY['waterlogging', 'gas', 'bridge', 'settlement', 'weather', 'bridge'])[1 + n %% 6] END,
         CASE WHEN n < 64 THEN 1 + n %% 4 ELSE 0 END, 1 + n %% 4,
         CASE WHEN n >= 64 THEN (ARRAY['normal', 'retracted'])[1 + (n %% 9 = 0)::int]
              ELSE (ARRAY['active', 'active', 'clearing', 'unknown', 'orphaned'])[1 + n %% 5] END,
         n %% 8 < 4, CASE WHEN n %% 8 = 6 THEN (ARRAY['shelved', 'suppressed', 'maintenance', 'out_of_service'])[1 + n / 8 %% 4] ELSE '' END,
         CASE WHEN n %% 8 = 6 THEN 'it''s known' ELSE '' END, n %% 11 = 0, %(now)s - n * n * interval '1 min' - interval '10 s',
         CASE WHEN n >= 64 THEN %(now)s - n * n * interval '1 min' + interval '20 min' END, n %% 13 = 0,
         CASE WHEN n %% 16 <> 7 THEN 'I-' || n / 4 END, jsonb_build_object('en', 'Water''s up', 'zh', '积水'),
         CASE WHEN n / 4 %% 10 = 3 THEN 'D-2' ELSE '' END
  FROM generate_series(0, 203) n;
INSERT INTO lifeline.alarm_events (event, time, recorded_at, alarm, kind, from_level, to_level, from_condition, to_condition,
                                   reason, evidence, from_hold, to_hold)
  SELECT 'E-' || n || '-' || k, least(%(now)s, %(now)s - n * n * interval '1 min' - interval '10 s' + k * interval '10 min'), %(now)s,
         'A-' || n, (ARRAY['raised', 'rose', 'data_lost', 'cleared'])[k + 1], CASE WHEN k > 0 THEN 1 + (n + k - 1) %% 4 ELSE 0 END, CASE WHEN k < 3 THEN 1 + (n + k) %% 4 ELSE 0 END,
         (ARRAY['normal', 'active', 'active', 'unknown'])[k + 1], (ARRAY['active', 'active', 'unknown', 'normal'])[k + 1],
         'it''s because', '[{"sensor": "x1", "value": 3}]', '', CASE WHEN n %% 8 = 6 THEN 'shelved' ELSE '' END
  FROM generate_series(0, 203) n, generate_series(0, CASE WHEN n < 64 THEN n %% 3 ELSE 3 END) k;
INSERT INTO lifeline.annunciations (annunciation, desk, drill, alarm, incident, district, domain, counted, first, at)
  SELECT 'N-' || n, 'duty''s', '', 'A-' || n, 'I-' || n / 4, (ARRAY['north', 'so''uth', 'port'])[1 + n %% 12 %% 3], 'gas',
         n %% 16 <> 7, n %% 4 = 0, %(now)s - n * n * interval '1 min'
  FROM generate_series(0, 203) n WHERE n / 4 %% 10 <> 3;
INSERT INTO lifeline.incident_events (event, time, incident, kind, actor, note, person)
  SELECT 'IE-' || n || '-' || k, %(now)s - n * n * interval '15 min' + k * interval '3 min', 'I-' || n,
         (ARRAY['opened', 'acknowledge', 'level', 'dispatch', 'clock_missed', 'close'])[k + 1],
         CASE WHEN k IN (1, 3) THEN 'o''neil' ELSE '' END, 'said "it''s on"', ''
  FROM generate_series(0, 50) n, generate_series(0, CASE WHEN n < 16 THEN n %% 5 ELSE 5 END) k;
INSERT INTO lifeline.incident_clocks (incident, number, clock, level, began_at, due_at, state, settled_at, reason)
  SELECT 'I-' || n, k, (ARRAY['acknowledge', 'confirm', 'dispatch', 'on_site'])[k], 1 + n %% 4,
         %(now)s - n * n * interval '15 min', %(now)s - n * n * interval '15 min' + k * interval '5 min',
         CASE WHEN n < 16 AND k > 2 THEN 'running' ELSE (ARRAY['met', 'missed', 'cancelled'])[1 + (n + k) %% 3] END,
         CASE WHEN n >= 16 OR k <= 2 THEN %(now)s - n * n * interval '15 min' + k * interval '4 min' END, ''
  FROM generate_series(0, 50) n, generate_series(1, 4) k;
INSERT INTO lifeline.escalations (incident, round, step, repeat, due_at, state, reason, settled_at)
  SELECT 'I-' || n, 1, k, 0, %(now)s - n * n * interval '15 min' + k * interval '10 min',
         CASE WHEN n < 16 THEN (ARRAY['fired', 'due', 'due'])[k + 1] ELSE (ARRAY['fired', 'cancelled', 'skipped'])[k + 1] END, 'it''s',
         CASE WHEN n >= 16 OR k = 0 THEN %(now)s - n * n * interval '15 min' END
  FROM generate_series(0, 50) n, generate_series(0, 2) k;
INSERT INTO lifeline.floods (flood, desk, since, started_at, ended_at, alarms, peak, digests) VALUES
  ('F-1', 'duty''s', %(now)s - interval '5 d', %(now)s - interval '5 d', %(now)s - interval '5 d' + interval '2 h', 120, 40, 9),
  ('F-2', 'duty''s', %(now)s - interval '20 min', %(now)s - interval '10 min', NULL, 30, 22, 2);
INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level, content, created_at,
                              next_try_at, sent_at, attempts, answer, late, drill, delivered_at)
  SELECT 'M-' || n, CASE WHEN n %% 17 > 0 THEN 'I-' || n / 4 %% 51 END,
         CASE WHEN n %% 17 = 0 THEN 'digest' ELSE (ARRAY['raise', 'update', 'repeat', 'clear', 'clock_missed', 'no_duty'])[1 + n %% 6] END,
         1, n %% 3, 'o''neil', 'duty', (ARRAY['email', 'sms', 'webhook', 'wecom'])[1 + n %% 4],
         (ARRAY['delivered', 'sent', 'failed', 'queued', 'sending', 'superseded', 'delivered', 'sent'])[1 + n %% 8], 1 + n %% 4,
         '{"subject": "It''s water"}', %(now)s - n * n * interval '30 s', %(now)s + interval '1 min',
         CASE WHEN n %% 8 IN (0, 1, 6, 7) THEN %(now)s - n * n * interval '30 s' + interval '4 s' END, n %% 4, 'the other side''s word', n %% 9 = 0,
         n / 4 %% 10 = 3, CASE WHEN n %% 8 IN (0, 6) THEN %(now)s - n * n * interval '30 s' + interval '14 s' END
  FROM generate_series(0, 203) n;
INSERT INTO lifeline.digest_entries (entry, digest, flood, target, district, domain, incident, kind, round, step, repeat, alarms,
                                     channels, via, level, at)
  SELECT 'DE-' || n, 'M-0', 'F-2', 'o''neil', 'north', 'gas', 'I-' || n, 'raise', 1, 0, 0, ARRAY['A-' || n * 4], '{email}', 'duty', 2,
         %(now)s - interval '8 min' FROM generate_series(0, 5) n;
INSERT INTO lifeline.shelves (shelf, hold, target, rule, scope, level, one_shot, since, until, by, reason, via, ended_at, ended_why) VALUES
  ('H-1', 'shelved', 'rule''s-2/x6', 'rule''s-2', 'x6', 2, false, %(now)s - interval '1 h', %(now)s + interval '3 h', 'o''neil', 'it''s known', 'api', NULL, ''),
  ('H-2', 'out_of_service', 'x7', '', 'x7', 0, false, %(now)s - interval '9 d', %(now)s + interval '1 d', 'li', 'broken', 'api', NULL, ''),
  ('H-3', 'shelved', 'rule''s-1/x5', 'rule''s-1', 'x5', 1, true, %(now)s - interval '2 d', %(now)s - interval '1 d', 'li', 'x', 'api', %(now)s - interval '1 d', 'expired');
INSERT INTO lifeline.hold_events (event, time, target, kind, actor, note, via) VALUES
  ('HE-1', %(now)s - interval '1 h', 'rule''s-2/x6', 'shelved', 'o''neil', 'it''s known', 'api'),
  ('HE-2', %(now)s - interval '2 d', 'rule''s-1/x5', 'shelved', 'li', '', 'api');
INSERT INTO lifeline.maintenance (occurrence, window_id, title, selector, districts, starts_at, ends_at, up_to, approver, reason, state) VALUES
  ('W-1', 'w', '{"en": "Pump''s service", "zh": "泵"}', '{"site": "s2"}', '{port}', %(now)s - interval '1 h', %(now)s + interval '1 h', 2, 'li', 'it''s due', 'running'),
  ('W-2', 'w', '{"en": "Pump"}', '{}', '{north}', %(now)s - interval '8 d', %(now)s - interval '7 d', 2, '', 'x', 'ended');
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, return_period_years, direction, expected, low, high, reason)
  SELECT %(now)s - n * interval '9 min', 'x' || n %% 24, 'seasonal', 'value', (ARRAY['abnormal', 'normal', 'blind'])[1 + n %% 3], n / 10.0,
         CASE WHEN n %% 2 = 0 THEN 12.5 END, CASE WHEN n %% 2 = 0 THEN 'high' ELSE '' END, 10, 5, 15, 'it''s high'
  FROM generate_series(0, 240) n;
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, return_period_years, direction, expected, low, high, reason)
  SELECT %(now)s - n * interval '7 min', 'x' || n, 'early_sign', (ARRAY['spike', 'drift', 'it''s'])[1 + n %% 3], 'abnormal', 1.5, nullif(n, 3) + 0.5,
         (ARRAY['up', 'down', ''])[1 + n %% 3], 10, 5, 15, 'it''s rare' FROM generate_series(0, 23) n;
INSERT INTO lifeline.bands (sensor_id, place, time, expected, low, high)
  SELECT sensor_id, at, %(now)s - at * interval '30 min', 10, 5, 15 FROM lifeline.sensors, generate_series(0, 9) at;
INSERT INTO lifeline.limits (sensor, rule, level, side, value)
  SELECT 'x' || n, 'rule''s-' || n %% 4, k, (ARRAY['high', 'low'])[1 + n %% 2], CASE WHEN n %% 2 = 0 THEN 20 * k ELSE 40 - 10 * k END
  FROM generate_series(0, 23) n, generate_series(1, 4) k;
