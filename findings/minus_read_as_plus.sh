#!/usr/bin/env bash
# A negative amount as Intl.NumberFormat writes it in Swedish, Norwegian, Finnish and five other locales is read as positive by three libraries.
#
# Behaviour: Node's Intl writes -12.50 with the minus sign U+2212 in sv, nb, fi, lt, et, sl, hr and eu. currency.js, accounting and numeral
# drop each sign they do not know before they read, and so the minus, too: 12.5. accounting drops a minus that stands behind, as in 12.50-.
# Guessed before: a minus that is not understood makes the amount unreadable, not positive.
# Why it matters: a credit in a page, a mail or a spreadsheet made for people there is read back as a charge of the same amount.
# Versions: currency.js 2.0.4, accounting 0.4.1, numeral 2.0.6 (npm). Seen on 2026-12-01 with Node.js 20.20.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --silent --no-audit --no-fund --ignore-scripts currency.js@2.0.4 accounting@0.4.1 numeral@2.0.6
cd "$folder"
node - <<'NODE'
const currency = require("currency.js");
const accounting = require("accounting");
const numeral = require("numeral");

const locales = ["sv", "nb", "fi", "lt", "et", "sl", "hr", "eu", "de", "fr", "da"];
const seen = {};
for (const locale of locales) {
  const text = new Intl.NumberFormat(locale, { minimumFractionDigits: 2 }).format(-12.5);
  const read = currency(text, { decimal: ",", separator: "." }).value;
  seen[locale] = [read, accounting.unformat(text, ",")];
  const sign = text.codePointAt(0).toString(16);
  console.log(`${locale}: ${JSON.stringify(text)} (sign U+${sign}) is ${seen[locale][0]} by currency.js, ${seen[locale][1]} by accounting`);
}
const plain = [currency("\u221212.50").value, accounting.unformat("\u221212.50"), numeral("\u221212.50").value(), accounting.unformat("12.50-")];
console.log(`with a decimal point: ${plain.slice(0, 3)} by currency.js, accounting, numeral; "12.50-" is ${plain[3]} by accounting`);
const isSo =
  locales.slice(0, 8).every((locale) => seen[locale].join() === "12.5,12.5") &&
  locales.slice(8).every((locale) => seen[locale].join() === "-12.5,-12.5") &&
  plain.every((value) => value === 12.5);
console.log(isSo ? "as described" : "changed");
process.exit(isSo ? 0 : 1);
NODE
