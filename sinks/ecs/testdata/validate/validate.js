// Checks events, one JSON document a line on standard input, against the
// published field list of the Elastic Common Schema. Prints one line a fault,
// "line N: FIELD: what is wrong", and exits with status 1 when there is any.
//
// Fields under wormscope.* are our own and may be anything.
"use strict";

const net = require("node:net");
const readline = require("node:readline");
const { EcsFlat } = require("@elastic/ecs");

const OWN = "wormscope";
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const REQUIRED = ["@timestamp", "ecs.version", "message", "event.id", "event.kind",
  "event.category", "event.type", "event.action", "event.severity", "host.ip"];

const isString = (v) => typeof v === "string";
const isInteger = (v) => Number.isSafeInteger(v);
const TYPES = {
  keyword: isString, constant_keyword: isString, wildcard: isString, match_only_text: isString,
  date: (v) => isString(v) && DATE.test(v) && !Number.isNaN(Date.parse(v)),
  ip: (v) => isString(v) && net.isIP(v) !== 0 && !v.includes("%"),
  long: isInteger, integer: isInteger,
  float: Number.isFinite, double: Number.isFinite, scaled_float: Number.isFinite,
  boolean: (v) => typeof v === "boolean",
};

// leaves yields [path, value] of every field that is no object.
function* leaves(object, prefix) {
  for (const [key, value] of Object.entries(object)) {
    const path = prefix + key;
    if (path === OWN) continue;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) yield* leaves(value, path + ".");
    else yield [path, value];
  }
}

function checkField(path, value, fault) {
  const field = EcsFlat[path];
  if (!field) return fault(path, "is not in the schema");
  const wantsArray = (field.normalize || []).includes("array");
  if (wantsArray !== Array.isArray(value)) {
    return fault(path, wantsArray ? "must be an array" : "must not be an array");
  }
  const check = TYPES[field.type];
  if (!check) return fault(path, `has the type ${field.type}, which this check does not know`);
  const allowed = (field.allowed_values || []).map((a) => a.name).concat(field.expected_values || []);
  for (const v of wantsArray ? value : [value]) {
    if (!check(v)) fault(path, `${JSON.stringify(v)} is no ${field.type}`);
    else if (allowed.length > 0 && !allowed.includes(v)) fault(path, `${JSON.stringify(v)} is not allowed`);
  }
}

// checkPairs checks that each type is one that each category expects.
function checkPairs(event, fault) {
  const known = new Map(EcsFlat["event.category"].allowed_values.map((a) => [a.name, a.expected_event_types]));
  for (const category of event.category || []) {
    for (const type of event.type || []) {
      if (known.has(category) && !known.get(category).includes(type)) {
        fault("event.type", `${type} is not expected with category ${category}`);
      }
    }
  }
}

function checkEvent(document, fault) {
  const seen = new Set();
  for (const [path, value] of leaves(document, "")) {
    seen.add(path);
    checkField(path, value, fault);
  }
  for (const path of REQUIRED) if (!seen.has(path)) fault(path, "is missing");
  checkPairs(document.event || {}, fault);
}

async function main() {
  let number = 0, faults = 0;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    number++;
    const fault = (path, what) => { faults++; console.log(`line ${number}: ${path}: ${what}`); };
    try {
      checkEvent(JSON.parse(line), fault);
    } catch (error) {
      fault("document", error.message);
    }
  }
  if (number === 0) { faults++; console.log("no events"); }
  process.exitCode = faults > 0 ? 1 : 0;
}

main();
