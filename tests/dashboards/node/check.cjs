// Grafana's own library held against our pages: reads {boards, frames, values, spans} as JSON from standard input and
// writes {faults, links, shown, intervals} to standard output. The one argument is the folder with node_modules.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");

const browser = { userAgent: "node", language: "en", languages: ["en"] };
Object.defineProperty(globalThis, "navigator", { value: browser, configurable: true });
const grafana = createRequire(`${process.argv[2]}/package.json`)("@grafana/data");
globalThis.window = globalThis;

const { boards, frames, values, spans } = JSON.parse(readFileSync(0, "utf8"));
const faults = [];
const links = [];
const shown = {};
const theme = grafana.createTheme({ colors: { mode: "dark" } });

// Transformations that live in Grafana itself and not in its library.
const CORE = ["configFromData", "rowsToFields", "prepareTimeSeries", "partitionByValues", "extractFields", "joinByLabels",
  "heatmap", "fieldLookup", "timeSeriesTable", "spatial", "regression", "trendline"];
const units = new Set();
const collect = (entries) => entries.forEach((one) => (one.submenu ? collect(one.submenu) : units.add(one.value)));
collect(grafana.getValueFormats());
const transformers = new Set([...Object.values(grafana.standardTransformers).map((one) => one.id), ...CORE]);
const DYNAMIC = /^(suffix|prefix|time|si|count|currency|bool):./;

// What Grafana registers for every panel when it starts, as far as pages use it.
const same = (value) => value;
const standard = {
  unit: grafana.unitOverrideProcessor, thresholds: grafana.thresholdsOverrideProcessor,
  mappings: grafana.valueMappingsOverrideProcessor, displayName: grafana.displayNameOverrideProcessor,
  noValue: same, decimals: same, min: same, max: same, color: same, links: same, description: same, actions: same,
};
const registryFor = (config) => {
  const custom = new Set(Object.keys(config.defaults.custom ?? {}));
  for (const override of config.overrides)
    for (const { id } of override.properties) if (id.startsWith("custom.")) custom.add(id.slice("custom.".length));
  const entry = (id, path, isCustom, process) =>
    ({ id, path, isCustom, process, name: id, shouldApply: () => true, getItemsCount: same });
  return new grafana.Registry(() => [
    ...Object.entries(standard).map(([id, process]) => entry(id, id, false, process)),
    ...[...custom].map((path) => entry(`custom.${path}`, path, true, same)),
  ]);
};

// The part of Grafana that is not in its library: variables in links, and values of the row that was clicked.
const encoded = { percentencode: encodeURIComponent, raw: String, text: String };
const replaceVariables = (text, scoped) => text.replace(/\$\{([^}:]+)(?::(\w+))?\}/g, (whole, name, format = "raw") => {
  if (name === "__url_time_range") return "from=now-6h&to=now";
  if (name === "__all_variables") return Object.keys(values).map((key) => `var-${key}=${encodeURIComponent(values[key])}`).join("&");
  const row = scoped?.__dataContext?.value;
  let value = values[name];
  if (name.startsWith("__data.fields.") && row) {
    const field = row.frame.fields.find((one) => one.name === name.slice("__data.fields.".length));
    value = field?.values[row.rowIndex];
    if (field && value === null) value = "";
  } else if (name === "__value.raw" && row) value = row.field.values[row.rowIndex];
  else if (name === "__value.text" && row) value = row.field.display(row.field.values[row.rowIndex]).text;
  else if (name === "__series.name" && row) value = row.field.name;
  if (value === undefined) return whole;
  if (format === "queryparam") return `var-${name}=${encodeURIComponent(value)}`;
  return encoded[format] ? encoded[format](value) : whole;
});

const checkConfig = (where, config) => {
  const unit = (id) => { if (id && !units.has(id) && !DYNAMIC.test(id)) faults.push(`${where}: no unit ${id}`); };
  unit(config.defaults.unit);
  for (const override of config.overrides)
    for (const { id, value } of override.properties) {
      if (id === "unit") unit(value);
      if (!id.startsWith("custom.") && !(id in standard)) faults.push(`${where}: no property ${id}`);
    }
};

const checkField = (where, field, panel, type) => {
  if (field.type === "time") return;
  const written = shown[where] ??= [];
  const { mappings = [], thresholds } = field.config;
  for (const mapping of mappings.filter((one) => one.type === "value"))
    for (const [value, result] of Object.entries(mapping.options)) {
      const display = field.display(field.type === "number" ? Number(value) : value);
      if (display.text !== result.text) faults.push(`${where}: ${value} shows as ${display.text}, not ${result.text}`);
    }
  if (field.type === "number" && thresholds?.mode === "absolute")
    for (const { value, color } of thresholds.steps) {
      const at = value === null || value < -1e29 ? thresholds.steps[1] ? thresholds.steps[1].value - 1 : 0 : value;
      const display = field.display(at);
      const mapped = mappings.some((one) => JSON.stringify(one).includes('"color"'));
      if (field.config.color?.mode === "thresholds" && !mapped && display.color !== color)
        faults.push(`${where}: ${at} is painted ${display.color}, not ${color}`);
    }
  // A level without a word looks like another one; a word of the program's own (`event_level`) is no word for people.
  const words = mappings.filter((one) => one.type === "value");
  const needsWord = (value) => (type === "state-timeline" ? value !== null : /^[a-z]+(_[a-z]+)+$/.test(value));
  for (const value of words.length ? field.values : [])
    if (needsWord(value) && !words.some((one) => one.options[value]?.text !== undefined))
      faults.push(`${where}: ${JSON.stringify(value)} has no word`);
  for (const value of field.values.slice(0, 50)) {
    const display = field.display(value);
    const text = grafana.formattedValueToString(display);
    if (/NaN|undefined|Invalid|\[object/.test(text)) faults.push(`${where}: ${JSON.stringify(value)} shows as ${text}`);
    if (written.length < 5) written.push(text);
  }
  if (!field.values.length) return;
  for (const link of field.getLinks?.({ valueRowIndex: 0 }) ?? []) links.push([panel, link.href, link.title]);
};

for (const [uid, board] of Object.entries(boards))
  for (const panel of board.panels) {
    const where = `${uid}: ${panel.title}`;
    for (const { id } of panel.transformations ?? []) if (!transformers.has(id)) faults.push(`${where}: no transformation ${id}`);
    for (const id of panel.options?.reduceOptions?.calcs ?? [])
      if (!grafana.fieldReducers.getIfExists(id)) faults.push(`${where}: no reducer ${id}`);
    if (!panel.fieldConfig) continue;
    checkConfig(where, panel.fieldConfig);
    for (const link of panel.links ?? []) links.push([where, replaceVariables(link.url), replaceVariables(link.title)]);
    const data = (frames[uid]?.[panel.id] ?? []).map((frame) => grafana.toDataFrame(frame));
    const made = grafana.applyFieldOverrides({
      data, replaceVariables, theme, timeZone: "utc", fieldConfig: panel.fieldConfig,
      fieldConfigRegistry: registryFor(panel.fieldConfig),
    });
    for (const frame of made) for (const field of frame.fields) checkField(`${where}: ${field.name}`, field, where, panel.type);
  }

const intervals = spans.map(([first, last, points, least]) => {
  const range = { from: grafana.dateTime(first), to: grafana.dateTime(last) };
  return grafana.rangeUtil.calculateInterval(range, points, least).intervalMs;
});
process.stdout.write(JSON.stringify({ faults, links, shown, intervals, units: units.size }));
