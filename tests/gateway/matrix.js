// The streaming matrix: {chat, completions, messages, responses, Ollama, pass-through} x {stream, whole} x {text, tool arguments,
// reasoning}: what is blocked never leaves, and what is masked is masked the same however the stream was cut. TAP on stdout.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, request, canary, direct } = require('./world.js');
const { read, strings } = require('./lanes.js');

const word = 'violet zebra'; // is masked
const short = 'okapi'; // too, in texts of which all splits are tried
const routes = [
    { name: 'chat', path: '/v1/chat/completions', shape: 'chat', kinds: 'tar', body: (content) => ({ model: 'mock-1', messages: [{ role: 'user', content }] }) },
    { name: 'completions', path: '/v1/completions', shape: 'completions', kinds: 't', body: (prompt) => ({ model: 'mock-1', prompt }) },
    { name: 'responses', path: '/v1/responses', shape: 'responses', kinds: 'tar', body: (input) => ({ model: 'mock-1', input }) },
    { name: 'messages', path: '/v1/messages', shape: 'messages', kinds: 'tar', body: (content) => ({ model: 'claude-mock', max_tokens: 64, messages: [{ role: 'user', content }] }) },
    { name: 'ollama chat', path: '/api/chat', shape: 'ollama', kinds: 'tar', body: (content) => ({ model: 'llama-mock', messages: [{ role: 'user', content }] }) },
    { name: 'ollama generate', path: '/api/generate', shape: 'ollama', kinds: 'tr', body: (prompt) => ({ model: 'llama-mock', prompt }) },
    { name: 'pass-through', path: '/score', shape: 'pass', kinds: 't', body: (input) => ({ input }) },
    { name: 'pass-through with places of texts', path: '/generate', shape: 'parts', kinds: 'gn', body: (input) => ({ input }) },
];
const kinds = { t: 'text', a: 'tool arguments', r: 'reasoning', g: 'events of JSON', n: 'lines of JSON' };
const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });

// What the model says: in tool arguments a JSON object.
const said = (kind, text) => (kind === 'a' ? JSON.stringify({ q: text }) : text);
function heard(kind, text) {
    if (kind !== 'a' || !text)
        return text;
    try {
        return JSON.parse(text).q;
    } catch {
        return text; // cut short
    }
}

async function ask(w, route, stream, marker, fresh = false) {
    const answer = await request(w.port, route.path, { agent: fresh ? false : agent, headers: w.auth(), body: { ...route.body(`mock:${marker};`), stream } });
    return { ...answer, streamed: /event-stream|ndjson|text\/plain/.test(answer.headers['content-type'] ?? '') };
}

// Jobs, several at a time.
async function all(jobs, width = 12) {
    let next = 0;
    await Promise.all(Array.from({ length: width }, async () => {
        while (next < jobs.length)
            await jobs[next++]();
    }));
}

// Nothing of `token` in what the client received, however it looks at it. `before`: what may have been released.
function nothing(answer, route, kind, token, before, how) {
    const text = answer.text;
    for (const [what, where] of [['bytes', text], ['bytes as Latin-1', answer.body.toString('latin1')], ['strings', strings(text)], ['headers', JSON.stringify(answer.headers)]])
        if (where.includes(token))
            throw new Error(`${how}: the token is in the ${what}: ${where.slice(Math.max(0, where.indexOf(token) - 60)).slice(0, 160)}`);
    if (!answer.streamed) {
        if (answer.status === 200)
            throw new Error(`${how}: status 200: ${text.slice(0, 200)}`);
        return;
    }
    const lanes = read(route.shape, text, true);
    for (const [name, lane] of Object.entries(lanes.texts)) {
        if (name[0] !== kind)
            continue;
        const got = kind === 'a' ? lane.replace(/^\{"q":"/, '') : lane;
        if (!before.startsWith(got) && !`{"q":"${before}`.startsWith(lane))
            throw new Error(`${how}: released ${JSON.stringify(lane)}, which is not a beginning of what stood before the token`);
    }
    for (const [, repeat] of lanes.repeats)
        if (repeat.includes(token.slice(0, 8)))
            throw new Error(`${how}: a repeat holds the token's beginning`);
    if (route.shape === 'pass' && !answer.lost)
        throw new Error(`${how}: cut, but the end looks like a proper one`);
    if (route.shape !== 'pass' && !lanes.error)
        throw new Error(`${how}: cut, but no error event: ${text.slice(-300)}`);
}

const splits = (n) => [...Array(n).keys()].map((i) => `seed=${i + 1}`);
const styles = ['', ',escape', ',crlf,comments', ',cut=7', ',escape,cut=3,comments'];

async function blocks(w, route, kind, stream) {
    const before = 'Well, this CANARY-zeb is no CANARY-zebra-4 at all, but ';
    const number = await w.mock.say(said(kind, `${before}${canary} is.`));
    const ways = stream ? [...splits(12).flatMap((s, i) => [s + styles[i % styles.length]]), 'size=1', 'size=1,escape', 'size=4096'] : ['size=0', 'escape', 'cut=5'];
    await all(ways.map((way) => async () => {
        const answer = await ask(w, route, stream, `kind=${kind},say=${number},${way}`);
        if (direct) { // the test itself must see it
            ok(strings(answer.text).includes(canary) || read(route.shape, answer.text, answer.streamed).only(kind).includes(canary), `${way}: the test would not notice`);
            return;
        }
        nothing(answer, route, kind, canary, before, way);
    }));
}

// In tool arguments, escaped once more: JSON within JSON.
async function nested(w, route, stream) {
    const hidden = [...canary].map((c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0')).join('');
    const number = await w.mock.say(`{"q":"well, ${hidden} is"}`);
    await all((stream ? [...splits(6), 'size=1'] : ['size=0']).map((way) => async () => {
        const answer = await ask(w, route, stream, `kind=a,say=${number},${way}`);
        const lanes = answer.status === 200 ? read(route.shape, answer.text, answer.streamed).texts : {};
        const seen = Object.values(lanes).join('\n').replace(/\\u00([0-9a-f]{2})/g, (_, h) => String.fromCharCode(parseInt(h, 16)));
        if (direct)
            ok(seen.includes(canary), 'the test would not notice');
        else
            ok(!seen.includes(canary) && !strings(answer.text).includes(canary), `${way}: ${seen}`);
    }));
}

const masked = (text, mask) => text.replaceAll(word, mask).replaceAll('violet \u200bzebra', mask).replaceAll('ｖiolet zebra', mask).replaceAll(short, mask);

async function masks(w, route, kind, stream, mask) {
    const texts = [
        `A violet zeb and a violet zebra, a ${word}; "quoted" ${word}.`,
        `Zero width: violet \u200bzebra. Wide: ｖiolet zebra. Grüße, 你好 and 🦓 ${word}`,
        `${word} ${word} ${'and so on '.repeat(200)}${word}`,
    ];
    for (const text of texts) {
        const number = await w.mock.say(said(kind, text));
        const ways = stream ? [...splits(text.length > 500 ? 4 : 16).map((s, i) => s + styles[i % styles.length]), 'size=1', 'size=5000'] : ['size=0', 'escape'];
        await all(ways.map((way) => async () => {
            const answer = await ask(w, route, stream, `kind=${kind},say=${number},${way}`);
            is(answer.status, 200, `${way}: status (${answer.text.slice(0, 200)})`);
            const lanes = read(route.shape, answer.text, answer.streamed);
            const wanted = direct ? text : masked(text, mask);
            is(heard(kind, lanes.only(kind)), wanted, way);
            for (const [k, repeat] of lanes.repeats)
                if (k === kind)
                    is(heard(kind, repeat), wanted, `${way}: repeated`);
            if (stream && route.shape !== 'pass' && route.shape !== 'parts')
                ok(lanes.ended, `${way}: no proper end`);
        }));
    }
}

// All 2^(n-1) ways to cut a short text.
async function every(w, route, mask) {
    const text = `a ${short} b`;
    const number = await w.mock.say(text);
    const jobs = [];
    for (let bits = 0; bits < 1 << (text.length - 1); bits++)
        jobs.push(async () => {
            const answer = await ask(w, route, true, `kind=${route.kinds[0]},say=${number},mask=${bits}`);
            is(read(route.shape, answer.text, true).only(route.kinds[0]), direct ? text : masked(text, mask), `mask ${bits.toString(2)}`);
        });
    await all(jobs);
}

// Of a route that does not say where its texts are a canary does not come whole.
async function undeclared(w) {
    const number = await w.mock.say(`so ${canary} it is`), fine = await w.mock.say('so it is, and it is so, said twice');
    for (const kind of 'gn')
        await all([...splits(12), 'size=1', 'size=4'].map((way) => async () => {
            const route = { path: '/score', body: (input) => ({ input }) };
            const answer = await ask(w, route, true, `kind=${kind},say=${number},${way}`);
            const lanes = read('parts', answer.text, true), said = lanes.only(kind);
            if (direct) {
                ok(said.includes(canary), said);
                return;
            }
            ok(!said.includes(canary) && `so ${canary}`.startsWith(said), `${kind},${way}: ${said}`);
            ok(lanes.error && lanes.error.code === 'guard_blocked', answer.text.slice(-300));
            const other = await ask(w, route, true, `kind=${kind},say=${fine},${way}`);
            is(read('parts', other.text, true).only(kind), 'so it is, and it is so, said twice', way);
        }));
}

async function odd(w) {
    const [chat] = routes;
    const number = await w.mock.say(`so ${canary} it is`);
    for (const [what, marker, stream] of [
        ['compressed though nobody asked', 'gzip', false], ['JSON called text/html', 'type=text/html', false], ['JSON called application/octet-stream', 'type=application/octet-stream', false],
        ['a stream called application/json', 'type=application/json', true], ['a stream called text/plain', 'type=text/plain', true],
        ['a stream without its end', 'truncate', true], ['an error page', 'status=0', false],
    ])
        await test(`odd answers: ${what}: it does not leave`, async () => {
            const answer = await ask(w, chat, stream, `say=${number},${marker}`);
            if (!direct)
                ok(!answer.body.includes(canary) && !strings(answer.text).includes(canary), `${answer.status}: ${answer.text.slice(0, 300)}`);
        });
    for (const stream of [true, false])
        await test(`odd answers: ${stream ? 'a stream' : 'an answer'} that says it in its identifier: it does not leave`, async () => {
            const id = await w.mock.say(canary), plain = await w.mock.say('fine');
            for (const style of ['', ',escape', ',escape,cut=3']) {
                const answer = await ask(w, chat, stream, `say=${plain},id=${id}${style}`);
                const seen = answer.body.includes(canary) || strings(answer.text).includes(canary);
                ok(direct ? seen : !seen, `${style}: ${answer.status}: ${answer.text.slice(0, 300)}`);
                if (!direct)
                    ok(answer.text.includes('guard_blocked'), answer.text.slice(0, 300));
            }
        });
    await test('odd answers: an upstream that dies in the middle gives a clean error event', async () => {
        for (const route of routes.filter((r) => r.kinds.includes('t') && r.shape !== 'pass')) {
            const answer = await ask(w, route, true, 'die=4,size=2', true).catch((error) => ({ text: '', error }));
            if (direct)
                continue;
            const lanes = read(route.shape, answer.text, true);
            ok(lanes.error && !answer.lost, `${route.name}: ${answer.text.slice(-300)}`);
        }
    });
}

async function main(work) {
    const mock = await Mock.start();
    const rules = [{ detector: 'topic', channels: ['output', 'reasoning', 'tool-arguments', 'raw'], action: 'mask' }];
    const more = [{ path: '/score', upstream: 'plain', resource: 'endpoint/score' }, { path: '/generate', upstream: 'plain', resource: 'endpoint/generate', texts: ['/candidates/*/content/parts/*/text'] }];
    const w = await Gateway.start(work, mock, { gate: { routes: more, guard: { topics: [{ name: 'animals', words: [word, short] }], rules } } });
    try {
        const probe = await ask(w, routes[0], false, `say=${await mock.say(`<${word}>`)}`);
        const mask = direct ? '' : probe.json?.choices?.[0]?.message?.content?.slice(1, -1);
        await test('a mask is put in place of a word', () => ok(direct || (mask && !mask.includes('zebra')), probe.text.slice(0, 300)));
        for (const route of routes)
            for (const kind of route.kinds)
                for (const stream of [true, false]) {
                    const name = `${route.name}, ${stream ? 'stream' : 'whole'}, ${kinds[kind]}`;
                    await test(`${name}: what is blocked never leaves`, () => blocks(w, route, kind, stream));
                    await test(`${name}: masked the same for every split`, () => masks(w, route, kind, stream, mask));
                    if (kind === 'a' && route.shape !== 'ollama')
                        await test(`${name}: escapes within escapes`, () => nested(w, route, stream));
                }
        for (const route of routes)
            await test(`${route.name}: all splits of a short text`, () => every(w, route, mask));
        await test('pass-through of JSON, places of texts not declared: what is blocked never leaves whole', () => undeclared(w));
        await odd(w);
    } finally {
        agent.destroy();
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await mock.stop();
    }
}

program('matrix', main);
