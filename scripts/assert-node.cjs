// Stops with one line on a Node that is too old. It must itself run on that old Node: no syntax after ES5.
"use strict"

var wanted = require("../package.json").engines.node.replace(">=", "")

function isOlder(version, floor) {
  var have = version.split(".").map(Number)
  var need = floor.split(".").map(Number)
  for (var i = 0; i < need.length; i++) {
    if (have[i] !== need[i]) return have[i] < need[i]
  }
  return false
}

if (isOlder(process.versions.node, wanted)) {
  process.stderr.write(
    "effect-zgossip needs Node.js " +
      wanted +
      " or newer, and this is " +
      process.versions.node +
      ": run `npm ci` first; where it may not run install scripts, also `npm rebuild node --ignore-scripts=false`," +
      " or install a newer Node.js.\n"
  )
  process.exit(1)
}
