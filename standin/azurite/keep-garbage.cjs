// Loaded into Azurite before its own script. Ten minutes after its start, and every ten minutes from then on, Azurite drops the
// extents that no blob has any more, one by one, builds its whole index anew for each, and answers nobody meanwhile: minutes for
// the tens of thousands that many stacks leave. A store lives shorter than its garbage could hurt.
const path = require("node:path");
const constants = require(path.join(__dirname, "node_modules", "azurite", "dist", "src", "blob", "utils", "constants.js"));

if (constants.DEFAULT_GC_INTERVAL_MS !== 10 * 60 * 1000) {
  throw new Error(`azurite's interval between collections is ${constants.DEFAULT_GC_INTERVAL_MS} ms here: look how this version collects`);
}
constants.DEFAULT_GC_INTERVAL_MS = 2 ** 31 - 1; // the longest that a timer of Node's takes, 24 days
