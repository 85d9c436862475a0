#!/usr/bin/env bash
# Three of npm's libraries for money round a credit otherwise than the invoice it takes back: 1.01 or 1.00 there, 1.00 or 1.01 here.
#
# Behaviour: currency.js and numeral round a half towards plus infinity: 1.005 is 1.01, -1.005 is -1.00. Dinero.js cuts towards minus infinity
# unless it is told how to round (1.009 is 1.00, -1.001 is -1.01), and its halfUp is the former two's; its halfAwayFromZero, big.js and
# decimal.js round both alike.
# Guessed before: half up is away from zero, as in SQL and in Java's BigDecimal, so that a reversal is its original with another sign.
# Why it matters: an invoice and the credit note for all of it leave a cent open on the receivable; tax by line differs from the ledger's in one
# direction only, which adds up.
# Versions: currency.js 2.0.4, dinero.js 2.0.2, numeral 2.0.6, big.js 7.0.1, decimal.js 10.6.0 (npm). Seen on 2026-12-01 with Node.js 20.20.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts \
    currency.js@2.0.4 dinero.js@2.0.2 numeral@2.0.6 big.js@7.0.1 decimal.js@10.6.0
cd "$folder"
node - <<'NODE'
const currency = require("currency.js");
const dinero = require("dinero.js");
const numeral = require("numeral");
const Big = require("big.js");
const Decimal = require("decimal.js");

const rounded = (thousandths, how) => {
  const exact = dinero.dinero({ amount: thousandths, currency: dinero.EUR, scale: 3 });
  return dinero.toDecimal(how ? dinero.transformScale(exact, 2, how) : dinero.transformScale(exact, 2));
};
const ways = {
  "currency.js": (thousandths) => currency((thousandths / 1000).toFixed(3)).toString(),
  numeral: (thousandths) => numeral((thousandths / 1000).toFixed(3)).format("0.00"),
  "dinero.js": (thousandths) => rounded(thousandths),
  "dinero.js halfUp": (thousandths) => rounded(thousandths, dinero.halfUp),
  "dinero.js halfAwayFromZero": (thousandths) => rounded(thousandths, dinero.halfAwayFromZero),
  "big.js": (thousandths) => new Big((thousandths / 1000).toFixed(3)).toFixed(2),
  "decimal.js": (thousandths) => new Decimal((thousandths / 1000).toFixed(3)).toFixed(2),
};
const expected = {
  "currency.js": "1.01,-1.00,1.01,-1.01,1.00,-1.00",
  numeral: "1.01,-1.00,1.01,-1.01,1.00,-1.00",
  "dinero.js": "1.00,-1.01,1.00,-1.01,1.00,-1.01",
  "dinero.js halfUp": "1.01,-1.00,1.01,-1.01,1.00,-1.00",
  "dinero.js halfAwayFromZero": "1.01,-1.01,1.01,-1.01,1.00,-1.00",
  "big.js": "1.01,-1.01,1.01,-1.01,1.00,-1.00",
  "decimal.js": "1.01,-1.01,1.01,-1.01,1.00,-1.00",
};
let isSo = true;
console.log("1.005, -1.005, 1.009, -1.009, 1.001, -1.001 are");
for (const [name, round] of Object.entries(ways)) {
  const seen = [1005, -1005, 1009, -1009, 1001, -1001].map(round).join();
  console.log(`${name}: ${seen}${seen === expected[name] ? "" : ` (described: ${expected[name]})`}`);
  isSo = isSo && seen === expected[name];
}
console.log(isSo ? "as described" : "changed");
process.exit(isSo ? 0 : 1);
NODE
