// Prints the type that the schema gives to each field that is named on
// standard input, one a line: a JSON object, null where there is no such field.
"use strict";

const { EcsFlat } = require("@elastic/ecs");
const names = require("node:fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
console.log(JSON.stringify(Object.fromEntries(names.map((n) => [n, EcsFlat[n] ? EcsFlat[n].type : null]))));
