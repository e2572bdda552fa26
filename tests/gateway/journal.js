// A daemon that hangs (SIGSTOP) while requests go on until the journal is full: durable refuses and says why, async serves, counts
// what is lost, and alarms. Afterwards it goes on by itself, and the numbers are right. TAP on stdout.
'use strict';
const http = require('http');
const path = require('path');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, until } = require('./world.js');

const chat = '/v1/chat/completions';
// Bodies are kept, so that fifteen records fill the 4 MiB of a ring.
const say = (content) => ({ model: 'mock-1', messages: [{ role: 'user', content }] });
const large = say('word '.repeat(60000)), medium = say('word '.repeat(6000)), small = say('x');
const code = (a) => a.json?.error?.code;

function metrics(w) {
    return new Promise((done, fail) => {
        http.get({ socketPath: path.join(w.state, 'access/local.sock'), path: '/metrics', headers: { 'X-Bartizan-Local': '1' } }, (a) => {
            let text = '';
            a.on('data', (d) => (text += d)).on('end', () => done((name) => Number(text.match(new RegExp(`^${name} (\\d+)`, 'm'))?.[1])));
        }).on('error', fail);
    });
}

function log(w, ...more) {
    const all = [];
    for (let cursor; cursor !== null;) {
        const page = JSON.parse(w.cli('access', 'log', '--format', 'json', '--limit', '1000', ...more, ...(cursor ? ['--cursor', cursor] : [])));
        all.push(...page.items);
        cursor = page.next ?? null;
    }
    return all;
}

// Runs `what` while the daemon stands still.
async function hanging(w, what) {
    const { daemon } = w.pids();
    process.kill(daemon, 'SIGSTOP');
    try {
        return await what();
    } finally {
        process.kill(daemon, 'SIGCONT');
    }
}

// How many were lost, as the alarms of the trail say.
const alarmed = (w) => log(w, '--event', 'alarm').map((e) => Number(e.reason?.match(/^(\d+) entries of requests were lost: the journal was full/)?.[1] ?? 0)).reduce((a, b) => a + b, 0);

async function asynchronous(work, mock) {
    const w = await Gateway.start(work, mock, { name: 'async', gate: { audit: { mode: 'async', bodies: 'all' } } });
    const ids = [];
    const send = async (body) => {
        const a = await w.post(chat, body);
        is(a.status, 200, a.text.slice(0, 200));
        ids.push(a.headers['x-bartizan-request-id']);
    };
    try {
        await test('async: the daemon hangs and the journal is full: requests are served', () => hanging(w, async () => {
            for (let i = 0; i < 24; i++)
                await send(large);
            for (let i = 0; i < 10; i++)
                await send(small);
        }));
        await test('async: what was lost is counted, alarmed, and is exactly what is missing', async () => {
            await send(small);
            await until('the last entry', () => log(w, '--event', 'call').some((e) => e.request === ids.at(-1)));
            const there = new Set(log(w, '--event', 'call').map((e) => e.request));
            const missing = ids.filter((id) => !there.has(id)).length;
            ok(missing > 0 && missing < ids.length - 5, `${missing} of ${ids.length} are missing`);
            await until('the alarm', () => alarmed(w) >= missing);
            is(alarmed(w), missing, 'lost, as alarms say');
            is((await metrics(w))('bartizan_journal_lost_total'), missing, 'lost, as the metric says');
        });
    } finally {
        await w.stop();
    }
}

async function durable(work, mock) {
    const w = await Gateway.start(work, mock, { name: 'durable', gate: { audit: { mode: 'durable', bodies: 'all' } } });
    const refused = [];
    try {
        await test('durable: the daemon hangs: 503 says why, and nothing goes upstream', () => hanging(w, async () => {
            await mock.seen();
            const many = (n, body) => Promise.all(Array.from({ length: n }, () => w.post(chat, body)));
            const all = [...await many(16, large), ...await many(16, medium), ...await many(50, small)];
            for (const a of all) {
                is(`${a.status} ${code(a)}`, '503 audit_unavailable', a.text);
                ok(/the ledger is too slow|the journal is full|nobody writes the audit trail/.test(a.text), a.text);
                refused.push(a.headers['x-bartizan-request-id']);
            }
            ok(all.some((a) => /the ledger is too slow/.test(a.text)), 'none waited for the ledger');
            // The entries of those fill the journal.
            const [a, ms] = await until('a full journal', async () => {
                const began = Date.now(), one = await w.post(chat, small);
                is(`${one.status} ${code(one)}`, '503 audit_unavailable', one.text);
                return /the journal is full|nobody writes the audit trail/.test(one.text) && [one, Date.now() - began];
            });
            ok(ms < 1900, `it waited ${ms} ms`);
            ok(a.headers['x-bartizan-request-id'], 'no id of the request');
            is((await mock.seen()).length, 0, 'requests upstream');
        }));
        await test('durable: it goes on by itself; who was served and who was refused is in the ledger, and what is lost is alarmed', async () => {
            const a = await until('an answer', async () => {
                const one = await w.post(chat, small);
                return one.status === 200 && one;
            });
            const id = a.headers['x-bartizan-request-id'];
            const phases = await until('both entries', () => {
                const found = log(w, '--event', 'call').filter((e) => e.request === id).map((e) => e.call.phase).sort().join();
                return found === 'begin,end' && found;
            });
            is(phases, 'begin,end', 'entries');
            const ends = new Set(log(w, '--event', 'call').filter((e) => e.call.phase === 'end' && e.verdict !== 'allow').map((e) => e.request));
            const missing = refused.filter((one) => !ends.has(one)).length;
            ok(missing < refused.length - 5, `${missing} of ${refused.length} refusals are missing`);
            const lost = (await metrics(w))('bartizan_journal_lost_total');
            ok(lost >= missing && lost > 0, `${missing} are missing, ${lost} were counted`);
            await until('the alarm', () => alarmed(w) === lost);
        });
    } finally {
        await w.stop();
    }
}

async function main(work) {
    const mock = await Mock.start();
    try {
        await asynchronous(work, mock);
        await durable(work, mock);
    } finally {
        await mock.stop();
    }
}

program('journal', main);
