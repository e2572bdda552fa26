// The schema detector against ajv, another implementation of JSON Schema (draft 7): random schemas and values, the same for the
// same seed. What both know they must judge alike. BTZ_SEED=n BTZ_PAIRS=n for other and more ones. TAP on stdout.
'use strict';
const { spawnSync } = require('child_process');
const { test, is, ok, plan } = require('../browser/tap.js');

// Debian keeps its modules here; elsewhere the path does no harm.
process.env.NODE_PATH ??= '/usr/share/nodejs';
require('module').Module._initPaths();
let Ajv = null;
try {
    Ajv = require('ajv');
} catch { /* not there */ }

// mulberry32: small, seeded, good enough for choosing.
function generator(seed) {
    const next = () => {
        seed = (seed + 0x6d2b79f5) | 0;
        let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    const below = (n) => Math.floor(next() * n);
    const one = (list) => list[below(list.length)];
    return { below, one, chance: (p) => next() < p, refs: [] };
}

// ---- values of a small world, so that chance meets what schemas ask for

// No `__proto__` or `toString`: ajv 6 takes what all objects inherit for members.
const names = ['a', 'b', 'ab', 'abc', 'x1', 'x-2', 'ä', 'length', ''];
const texts = ['', 'a', 'ab', 'abc', 'x1', 'A b', 'ä', '\u{1F600}', '\u{1F600}\u{1F600}', 'a\nb', '2026-01-01', '12', '-', 'aaaaaaaaaa', 'e\u0301'];
// Powers of two and whole numbers below 1e21: ajv divides, and so misses 0.3 as a multiple of 0.1 and 1e300 as one of 5.
const numbers = [0, -0, 1, -1, 2, 3, 5, 10, 0.5, -0.5, 1.5, 2.25, 1e3, 1e15, -7, 100, 4294967296, 9007199254740991];

function value(g, depth) {
    switch (g.below(depth > 0 ? 9 : 6)) {
    case 0: return null;
    case 1: return g.chance(0.5);
    case 2: case 3: return g.one(numbers);
    case 4: case 5: return g.one(texts);
    case 6: return Array.from({ length: g.below(5) }, () => value(g, depth - 1));
    default: return object(g, () => value(g, depth - 1));
    }
}

const object = (g, make, least = 0, keys = names) => Object.fromEntries(Array.from({ length: least + g.below(4) }, () => [g.one(keys), make()]));

// ---- schemas

const members = (g, keys, make) => object(g, make, 1, keys);
const types = ['null', 'boolean', 'object', 'array', 'number', 'string', 'integer'];
// No dot where an emoji may be: ajv 6 matches halves of one.
const patterns = ['^a', 'b$', '^[a-z]+$', '\\d', '^\\w*$', 'a|x', '^(ab)?c*$', '^[a-zA].$', '[^a]', 'a{2,3}', '\\s', '^$', 'ä', '^[A-Z]', '\\.', '^\\S+$', '-', '[\\w-]+\\d'];
const some = (list, g, least = 1) => {
    const found = new Set();
    for (let i = least + g.below(3); i > 0; i--)
        found.add(g.one(list));
    return [...found];
};

const keywords = {
    type: (g) => (g.chance(0.7) ? g.one(types) : some(types, g)),
    enum: (g) => unique(Array.from({ length: 1 + g.below(4) }, () => value(g, 1))),
    const: (g) => value(g, 2),
    minimum: (g) => g.one(numbers), maximum: (g) => g.one(numbers), exclusiveMinimum: (g) => g.one(numbers), exclusiveMaximum: (g) => g.one(numbers),
    multipleOf: (g) => g.one([1, 2, 3, 5, 0.5, 0.25, 10]),
    minLength: (g) => g.below(4), maxLength: (g) => g.below(4), pattern: (g) => g.one(patterns),
    minItems: (g) => g.below(4), maxItems: (g) => g.below(4), uniqueItems: (g) => g.chance(0.8),
    minProperties: (g) => g.below(4), maxProperties: (g) => g.below(4),
    required: (g) => some(names, g, 0), propertyNames: schema, contains: schema, not: schema,
    items: (g, d) => (g.chance(0.5) ? schema(g, d) : schemas(g, d)), additionalItems: schema,
    properties: (g, d) => members(g, names, () => schema(g, d)), patternProperties: (g, d) => members(g, patterns, () => schema(g, d)), additionalProperties: schema,
    dependencies: (g, d) => members(g, names, () => (g.chance(0.5) ? some(names, g, 0) : schema(g, d))),
    allOf: schemas, anyOf: schemas, oneOf: schemas, if: schema, then: schema, else: schema,
    // Annotations, and what no draft knows: neither judges.
    title: (g) => g.one(texts), default: (g) => value(g, 1), examples: (g) => [value(g, 1)], $comment: (g) => g.one(texts), format: (g) => g.one(['x-unknown', 'x-other']), unknown: (g) => value(g, 1),
};
const all = Object.keys(keywords);
const definitions = ['#/definitions/one', '#/definitions/t~1w~0o', '#/definitions/th%25ree'];
// Below these a value is smaller than the one at hand, so that `#` comes to an end. (ajv has no end for circles, or a wrong one.)
const inner = new Set(['items', 'additionalItems', 'contains', 'properties', 'patternProperties', 'additionalProperties']);

function schemas(g, depth) {
    return Array.from({ length: 1 + g.below(3) }, () => schema(g, depth));
}

function schema(g, depth) {
    if (depth <= 0 || g.chance(0.08))
        return g.chance(0.7) ? (g.chance(0.5) ? { type: g.one(types) } : true) : false;
    if (g.refs.length && g.chance(0.08))
        return { $ref: g.one(g.refs) };
    const s = {};
    for (let i = 1 + g.below(4); i > 0; i--) {
        const k = g.one(all), refs = g.refs;
        if (inner.has(k) && refs.length)
            g.refs = [...definitions, '#'];
        s[k] = keywords[k](g, depth - 1);
        g.refs = refs;
    }
    return s;
}

function unique(list) {
    return list.filter((v, i) => list.findIndex((u) => JSON.stringify(u) === JSON.stringify(v)) === i);
}

function root(g) {
    g.refs = definitions;
    const s = schema(g, 4);
    g.refs = [];
    return { $schema: 'http://json-schema.org/draft-07/schema#', ...(typeof s === 'boolean' ? { allOf: [s] } : s), definitions: { one: schema(g, 2), 't/w~o': schema(g, 2), 'th%ree': schema(g, 1) } };
}

// ---- both

function theirs(pairs) {
    let text, check;
    return pairs.map((p) => {
        try {
            if (p.schema !== text) {
                text = p.schema;
                check = new Ajv({ unknownFormats: 'ignore', logger: false }).compile(JSON.parse(text));
            }
            return check(JSON.parse(p.value)) ? 'conforms' : 'does not';
        } catch (error) {
            return `error: ${error.message}`;
        }
    });
}

// All at once; { verdict, reason } for each pair.
function ours(pairs) {
    const lines = pairs.map(({ schema: s, value: v }) => `{"channel":"output","text":${JSON.stringify(v)},"schema":${s}}\n`).join('');
    const done = spawnSync(process.env.BTZ_BIN, ['gate', 'check', '--in', '-', '--format', 'jsonl', '--quiet'], { input: lines, encoding: 'utf8', maxBuffer: 1 << 28 });
    const found = done.stdout.trim().split('\n').map((l) => JSON.parse(l));
    is(found.length, pairs.length, `verdicts (${done.stderr})`);
    return found.map((f) => {
        if (f.verdict === 'not-evaluated')
            return { verdict: 'not evaluated', reason: f.reason };
        return { verdict: f.hits.some((h) => h.detector === 'schema') ? 'does not' : 'conforms', reason: f.reason };
    });
}

async function main() {
    if (!Ajv) {
        await test('schemas: the same verdicts as ajv', () => ({ skip: 'node-ajv is not installed' }));
        return;
    }
    const seed = Number(process.env.BTZ_SEED ?? 7), count = Number(process.env.BTZ_PAIRS ?? 4000);
    await test(`schemas: ${count} pairs of seed ${seed}: the same verdicts as ajv`, () => {
        const g = generator(seed), pairs = [];
        while (pairs.length < count) {
            const s = JSON.stringify(root(g));
            for (let i = 0; i < 4; i++)
                pairs.push({ schema: s, value: JSON.stringify(value(g, 3)) });
        }
        const mine = ours(pairs), other = theirs(pairs), tally = {}, differences = [];
        pairs.forEach((p, i) => {
            const key = `${mine[i].verdict} / ${other[i]}`;
            tally[key] = (tally[key] ?? 0) + 1;
            if (mine[i].verdict !== other[i])
                differences.push(`ours: ${mine[i].verdict} (${mine[i].reason}); ajv: ${other[i]}; value ${p.value}; schema ${p.schema}`);
        });
        console.log(`# ${JSON.stringify(tally)}`);
        ok(differences.length === 0, `${differences.length} differ: ${differences.sort((a, b) => a.length - b.length)[0]}`);
        ok(tally['conforms / conforms'] > count / 10 && tally['does not / does not'] > count / 10, 'one-sided');
    });
}

main().then(() => process.exit(plan() ? 1 : 0));
