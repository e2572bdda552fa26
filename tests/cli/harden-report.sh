#!/bin/sh
# harden --report: what the run says in HTML and JSON agrees with what it prints and with the files; a run that was killed has
# its whole curve; a report that cannot be written costs no training and no model.
. "$(dirname "$0")/tap.sh"
. "${BTZ_SOURCE:?BTZ_SOURCE is the source}/tests/cli/rows.sh"

if ! command -v python3 >/dev/null; then
    skip "reports of hardening" "no python3"
    done_testing
    exit 0
fi

rows_and_net
few="--epochs 4 --batch 40 --eps 0.05 --measure 200 --validation 0.1"

cat >check.py <<'END'
"""check.py REPORT.json PRINTED.json ORIGINAL HARDENED: prints what does not agree."""
import hashlib, json, math, sys
report, printed = (json.load(open(f)) for f in sys.argv[1:3])
figures = {f["title"]: f for f in report["figures"]}
bad = []

def same(a, b, what):
    if (a is None) != (b is None) or (a is not None and abs(a - b) > 1e-5 * (1 + abs(b))):
        bad.append(f"{what}: {a} and {b}")

def points(title, name):
    return [p[1] for p in next(s["points"] for s in figures[title]["series"] if s["name"] == name)]

for title, name, key in [("Accuracy by epoch", "training, clean", "train_clean"),
                         ("Accuracy by epoch", "training, robust", "train_robust"),
                         ("Accuracy by epoch", "held out, clean", "validation_clean"),
                         ("Accuracy by epoch", "held out, robust", "validation_robust"),
                         ("Loss by epoch", "loss", "loss"),
                         ("Learning rate by epoch", "learning rate", "lr")]:
    wanted = [e[key] for e in printed["epochs"]]
    if all(w is None for w in wanted):
        if any(s["name"] == name for s in figures[title]["series"]):
            bad.append(f"{name}: a curve of nothing")
        continue
    found = points(title, name)
    if len(found) != len(wanted):
        bad.append(f"{name}: {len(found)} points of {len(wanted)}")
    for a, b in zip(found, wanted):
        same(a, b, name)

# Clopper and Pearson from the sums of the binomial distribution alone.
def tail(k, n, p):
    return sum(math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) +
               (n - i) * math.log1p(-p)) for i in range(k, n + 1))

def solve(k, n, level):
    low, high = 1e-12, 1 - 1e-12
    for _ in range(200):
        mid = (low + high) / 2
        low, high = (mid, high) if tail(k, n, mid) < level else (low, mid)
    return low

def exact(k, n):
    return (0 if k == 0 else solve(k, n, 0.025)), (1 if k == n else solve(k + 1, n, 0.975))

table = figures["Before and after"]["accuracies"]
for a in table:
    for kind in "clean", "robust":
        r = a[kind]
        same(r["accuracy"], r["correct"] / r["samples"], "share")
        low, high = exact(r["correct"], r["samples"])
        same(r["interval"][0], low, "lower end")
        same(r["interval"][1], high, "upper end")
whole = [a for a in table if a["samples"] != "held out, not trained on"]
for a, key in zip(whole, ("before", "after")):
    if a["clean"]["samples"] != printed["samples"]:
        bad.append("samples")
    same(a["clean"]["accuracy"], printed[key]["clean"], key)
    same(a["robust"]["accuracy"], printed[key]["robust"], key)

for row, path in zip(figures["Models"]["rows"], sys.argv[3:5]):
    data = open(path, "rb").read()
    if row[3] != hashlib.sha256(data).hexdigest() or row[2] != len(data):
        bad.append(f"digest of {path}")
settings = dict(figures["Settings"]["rows"])
if settings["seed"] != str(printed["seed"]) or settings["eps"] != printed["eps"] or settings["method"] != printed["method"]:
    bad.append("settings")
first = table[1] # of the hardened model
finding = report["findings"][0]
if (finding["k"], finding["n"]) != (first["clean"]["correct"] - first["robust"]["correct"], first["clean"]["correct"]):
    bad.append("finding")
if report["coverage"]["run"]["seed"] != str(printed["seed"]):
    bad.append("seed of the run")
print("\n".join(bad) or "agrees")
END
cat >page.py <<'END'
"""page.py FILE CURVES: elements nest, drawings are well-formed XML, nothing loads, and there are so many curves."""
import html.parser, re, sys, xml.etree.ElementTree
text = open(sys.argv[1]).read()
void = {"meta", "img"}
class Nest(html.parser.HTMLParser):
    stack = []
    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "iframe", "object"), tag
        assert not any(n in ("src", "href") and not v.startswith(("#", "data:")) for n, v in attrs), attrs
        if tag not in void:
            self.stack.append(tag)
    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag
nest = Nest()
nest.feed(text)
nest.close()
assert not nest.stack, nest.stack
for svg in re.findall(r"<svg.*?</svg>", text, re.S):
    for e in xml.etree.ElementTree.fromstring(re.sub(r"&(hellip|ndash|middot);", "-", svg)).iter():
        assert e.tag in ("svg", "g", "text", "path", "rect", "circle"), e.tag
plots = re.findall(r'<svg class="plot".*?</svg>\s*<details><summary>Numbers', text, re.S)
assert len(plots) == 3, f"{len(plots)} plots with their numbers"
curves = len(re.findall(r'class="curve ', text))
print(curves)
END

run 0 harden net.onnx --data rows.csv $few --format json --report html=hard.html --report json=hard.json -o hard.onnx
cp .out printed.json
is "$(python3 check.py hard.json printed.json net.onnx hard.onnx)" "agrees" "the JSON report says what is printed and what the files are"
is "$(python3 page.py hard.html)" 6 "the page is well-formed, with four accuracies, loss and rate"
run 0 harden net.onnx --data rows.csv $few -o plain.onnx
cmp hard.onnx plain.onnx
ok $? "a report changes nothing of the model"
run 0 report --from hard.json --format html -o again.html
cmp hard.html again.html
ok $? "the JSON report gives the same page again"
run 0 harden net.onnx --data rows.csv $few --report json=- -o hard.onnx
says .out '"title": "Before and after"'

# Nothing held out: gaps without a curve, and no 0.
run 0 harden net.onnx --data rows.csv $few --validation 0 --format json --report html=none.html --report json=none.json -o none.onnx
cp .out printed.json
is "$(python3 check.py none.json printed.json net.onnx none.onnx)" "agrees" "without samples held out there is no curve of them"
is "$(python3 page.py none.html)" 4 "and the page has the others"
silent ../"${work##*/}"/none.html "held out, clean"

# The result takes the place of the original: the digest is that of what was read.
cp net.onnx same.onnx
run 0 harden same.onnx --data rows.csv $few --format json --report json=same.json -o same.onnx
cp .out printed.json
is "$(python3 check.py same.json printed.json net.onnx same.onnx)" "agrees" "digests of an original that was overwritten"

# Overfitting: where the run ended, or where accuracy under PGD fell although it went on.
fall="--epochs 12 --batch 40 --eps 0.15 --step 0.6 --lr 0.05 --schedule flat --measure 100 --format json"
for on in "" "--keep-on"; do
    run 0 harden net.onnx --data rows.csv $fall $on --report html=over.html --report json=over.json -o over.onnx
    cp .out printed.json
    is "$(python3 - <<'END'
import json
printed, report = json.load(open("printed.json")), json.load(open("over.json"))
figures = {f["title"]: f for f in report["figures"]}
course = figures["Course of the training"]
robust = [e["train_robust"] for e in printed["epochs"]]
wanted = next((i + 2 for i in range(len(robust) - 1) if robust[i] - robust[i + 1] > 0.2), None)
stopped = printed["end"] == "catastrophic overfitting"
if stopped:
    wanted = len(robust)
marks = [m["x"] for m in figures["Accuracy by epoch"]["marks"]]
print(course["stopped"] == stopped, course["overfitting_epoch"] == wanted, marks == ([wanted] if wanted else []))
END
)" "True True True" "the epoch of the collapse is that of the run${on:+, kept on}"
done

# Killed again and again: the curve of the report is whole.
long="--method pgd --steps 5 --epochs 30 --batch 40 --eps 0.05 --measure 50"
run 0 harden net.onnx --data rows.csv $long --report json=want.json -o want.onnx
tries=0 kills=0
while [ ! -e got.onnx ] && [ $tries -lt 200 ]; do
    tries=$((tries + 1))
    "$bartizan" harden net.onnx --data rows.csv $long --checkpoint-every 0s --report json=got.json -o got.onnx >.out 2>.err &
    pid=$!
    sleep "0.$((1 + tries % 5))$((tries % 10))"
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
# Killed between the model and its report: the run is done, only the report is to be had again.
[ -e got.json ] || "$bartizan" harden net.onnx --data rows.csv $long --report json=got.json -o got.onnx >.out 2>.err
is "$(python3 - <<'END'
import json
def curves(name):
    figures = json.load(open(name))["figures"]
    return [f["series"] for f in figures if f["kind"] == "curve"] + [f["accuracies"] for f in figures if "accuracies" in f]
want = curves("want.json")
print(len(want[0][0]["points"]), curves("got.json") == want)
END
)" "30 True" "a run killed $kills times has the curve of one that was not"

# What cannot be written is said before anything is trained.
for wish in html=nowhere/x.html html=net.yaml/x.html json=. html= html nothing=x.html; do
    case $wish in
    html | html= | nothing=*) wanted=2 ;;
    *) wanted=4 ;;
    esac
    run $wanted harden net.onnx --data rows.csv $few --report json=fine.json --report $wish -o x.onnx
    says .err "--report"
done
[ ! -e x.onnx ] && [ ! -e x.onnx.checkpoint ] && [ ! -e fine.json ]
ok $? "and nothing was trained or written"

# A folder that is gone when the training ends: the model is there, the other report, too.
mkdir gone
"$bartizan" harden net.onnx --data rows.csv $long --epochs 200 --checkpoint-every 0s --report html=gone/x.html --report json=kept.json -o kept.onnx >.out 2>.err &
pid=$!
n=0
while [ ! -s kept.onnx.checkpoint ] && [ $n -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
done
rmdir gone
status=0
wait $pid || status=$?
is $status 4 "a report that cannot be written any more is an error"
says .err "the model is in kept.onnx"
run 0 robust eval kept.onnx --data rows.csv
[ -s kept.json ]
ok $? "the other report is written"
done_testing
