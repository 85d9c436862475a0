#!/usr/bin/env bash
# ofxparse adds up 1,000 yen and 100 euros of one statement as 1,100 euros: what says that an amount is in another currency is dropped.
#
# Behaviour: an OFX line with a CURRENCY aggregate has its amount in that currency (ORIGCURRENCY only tells what it was converted from). ofxparse
# keeps neither, so both are amounts of the statement's currency; ofxtools keeps both.
# Guessed before: all amounts of an account's statement are in its currency, which stands in its head as CURDEF.
# Why it matters: a foreign card payment or a wire on a multi-currency account is booked and matched at a hundredfold, or at a hundredth.
# Versions: ofxparse 0.21, ofxtools 1.1.1 (PyPI). Rule: OFX 1.6 and 2.3, 5.2, currency aggregates. Seen on 2026-12-01 with CPython 3.11.
# Exit status: 0 while it is so, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ofxparse==0.21 ofxtools==1.1.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import io
import sys
from importlib.metadata import version

from ofxparse import OfxParser
from ofxtools.Parser import OFXTree

LINES = (
    "<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20261103<TRNAMT>100.00<FITID>1<NAME>A</STMTTRN>",
    "<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20261104<TRNAMT>1000.00<FITID>2<NAME>B<CURRENCY><CURRATE>0.0055<CURSYM>JPY</CURRENCY></STMTTRN>",
    "<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20261105<TRNAMT>5.50<FITID>3<NAME>C<ORIGCURRENCY><CURRATE>0.0055<CURSYM>JPY</ORIGCURRENCY></STMTTRN>",
)
HEAD = "OFXHEADER:100 DATA:OFXSGML VERSION:102 SECURITY:NONE ENCODING:USASCII CHARSET:1252 COMPRESSION:NONE OLDFILEUID:NONE NEWFILEUID:NONE"
STATUS = "<STATUS><CODE>0<SEVERITY>INFO</STATUS>"
STATEMENT = (
    f"{chr(10).join(HEAD.split())}\n\n<OFX><SIGNONMSGSRSV1><SONRS>{STATUS}<DTSERVER>20261201<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>"
    f"<BANKMSGSRSV1><STMTTRNRS><TRNUID>1{STATUS}<STMTRS><CURDEF>EUR<BANKACCTFROM><BANKID>1<ACCTID>2<ACCTTYPE>CHECKING</BANKACCTFROM>"
    f"<BANKTRANLIST><DTSTART>20261101<DTEND>20261130{''.join(LINES)}</BANKTRANLIST>"
    "<LEDGERBAL><BALAMT>111.00<DTASOF>20261130</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
).encode()

lines = OfxParser.parse(io.BytesIO(STATEMENT)).account.statement.transactions
told = sorted({name for line in lines for name in vars(line) if "cur" in name.lower()})
print(f"ofxparse {version('ofxparse')}: amounts", *(line.amount for line in lines), "sum", sum(line.amount for line in lines), "currencies:", told)
tree = OFXTree()
tree.parse(io.BytesIO(STATEMENT))
kept = [(str(line.trnamt), line.curtype, line.cursym) for line in tree.convert().statements[0].transactions]
print(f"ofxtools {version('ofxtools')}:", *kept)
is_so = (
    [str(line.amount) for line in lines] == ["100.00", "1000.00", "5.50"]
    and told == []
    and kept == [("100.00", None, None), ("1000.00", "CURRENCY", "JPY"), ("5.50", "ORIGCURRENCY", "JPY")]
)
print("as described" if is_so else "changed")
sys.exit(0 if is_so else 1)
PYTHON
