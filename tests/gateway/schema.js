// Answers and arguments of tools that have to be of a form, through the gateway: what conforms arrives, what does not is written
// down, or refused, or of a stream never begun. TAP on stdout.
'use strict';
const { test, is } = require('../browser/tap.js');
const { program, Mock, Gateway, until, direct } = require('./world.js');
const fs = require('fs');
const path = require('path');

const schema = { type: 'object', properties: { city: { type: 'string', minLength: 2 }, days: { type: 'integer', minimum: 1 } }, required: ['city'], additionalProperties: false };
const good = '{"city":"Porto","days":3}';
const bad = '{"city":"Porto","days":"three"}';

// How each protocol asks for the form of an answer, and of a tool's arguments.
const ways = {
    chat: {
        path: '/v1/chat/completions', model: 'mock-1',
        answer: { response_format: { type: 'json_schema', json_schema: { name: 'trip', strict: true, schema } } },
        tool: { tools: [{ type: 'function', function: { name: 'book', parameters: schema } }] },
    },
    messages: {
        path: '/v1/messages', model: 'claude-1',
        answer: { output_format: { type: 'json_schema', schema } },
        tool: { tools: [{ name: 'book', input_schema: schema }] },
    },
    responses: {
        path: '/v1/responses', model: 'mock-1',
        answer: { text: { format: { type: 'json_schema', name: 'trip', schema } } },
        tool: { tools: [{ type: 'function', name: 'book', parameters: schema }] },
    },
    ollama: {
        path: '/api/chat', model: 'llama-1',
        answer: { format: schema },
        tool: { tools: [{ type: 'function', function: { name: 'book', parameters: schema } }] },
    },
};

async function ask(w, mock, way, kind, stream, text, more = '') {
    const say = await mock.say(text);
    const prompt = `mock:say=${say},cut=3${kind === 'tool' ? ',kind=arguments,tool=book' : ''}${more};`;
    const body = { model: way.model, stream, ...way[kind] };
    if (way === ways.responses)
        body.input = prompt;
    else
        body.messages = [{ role: 'user', content: prompt }];
    if (way === ways.messages)
        body.max_tokens = 100;
    return w.post(way.path, body);
}

// The entry of a request in the trail; it may come a moment later.
async function entry(w, answer) {
    const id = answer.headers['x-bartizan-request-id'];
    let found;
    await until(`the entry of ${id}`, async () => {
        const page = JSON.parse(w.cli('access', 'log', '--format', 'json', '--order', 'newest', '--limit', '100'));
        const e = page.items.find((one) => one.request === id && one.call);
        found = e && { ...e.call, reason: e.reason };
        return found !== undefined;
    });
    return found;
}

async function all(w, mock, blocks) {
    for (const [name, way] of Object.entries(ways))
        for (const kind of ['answer', 'tool'])
            for (const stream of [false, true])
                await test(`${blocks ? 'block' : 'observe'}: ${name}, ${kind}${stream ? ', stream' : ''}`, async () => {
                    const fine = await ask(w, mock, way, kind, stream, good);
                    is(fine.status, 200, fine.text);
                    if (!/Porto/.test(fine.text))
                        throw new Error(`it did not arrive: ${fine.text}`);
                    if (/guard/.test(fine.text))
                        throw new Error(`cut: ${fine.text}`);
                    const wrong = await ask(w, mock, way, kind, stream, bad);
                    if (!blocks) {
                        is(wrong.status, 200, wrong.text);
                        if (!/three/.test(wrong.text) || /guard_blocked/.test(wrong.text))
                            throw new Error(`it did not arrive: ${wrong.text}`);
                        return;
                    }
                    is(wrong.status, stream ? 200 : 403, wrong.text);
                    if (/three|Porto/.test(wrong.text))
                        throw new Error(`part of it went out: ${wrong.text}`);
                    if (!/guard|blocked|schema/.test(wrong.text))
                        throw new Error(`no error: ${wrong.text}`);
                });
}

program('schema', async (work) => {
    if (direct)
        return;
    const mock = await Mock.start();
    const observing = await Gateway.start(work, mock, { name: 'observe' });
    await all(observing, mock, false);
    await test('the entry says what did not conform, and how little is known of a schema that is not supported', async () => {
        const wrong = await ask(observing, mock, ways.chat, 'answer', false, bad);
        const e = await entry(observing, wrong);
        is(e.reason, 'the answer did not conform to the schema: /days: type: integer');
        is(e.guard, 'observed');
        is(JSON.stringify(e.hits.map((h) => [h.detector, h.kind, h.channel, h.action])), '[["schema","type","output","observe"]]');
        is(wrong.headers['x-bartizan-guard'], 'evaluated; mode=whole');
        const odd = { ...ways.chat, answer: { response_format: { type: 'json_schema', json_schema: { name: 'odd', schema: { ...schema, unevaluatedProperties: false } } } } };
        const unknown = await ask(observing, mock, odd, 'answer', false, bad);
        is(unknown.status, 200);
        is(unknown.headers['x-bartizan-guard'], 'partial; reason="schema: `unevaluatedProperties` is not supported"');
        is((await entry(observing, unknown)).guard_reason, 'schema: `unevaluatedProperties` is not supported');
    });
    await observing.stop();
    fs.mkdirSync(path.join(work, 'block'));
    fs.writeFileSync(path.join(work, 'block/trip.json'), JSON.stringify(schema));
    const blocking = await Gateway.start(work, mock, { name: 'block', gate: { guard: { rules: [{ detector: 'schema', action: 'block' }], schemas: [{ file: 'trip.json', model: 'mock-trip*' }] } } });
    await all(blocking, mock, true);
    await test('a schema of the settings is for its models, whatever a request asks for', async () => {
        const trip = { ...ways.chat, model: 'mock-trip-1', answer: {} };
        for (const stream of [false, true]) {
            const fine = await ask(blocking, mock, trip, 'answer', stream, good);
            is(fine.status, 200, fine.text);
            if (!/Porto/.test(fine.text))
                throw new Error(`it did not arrive: ${fine.text}`);
            const wrong = await ask(blocking, mock, trip, 'answer', stream, 'Here you are: ' + good);
            if (/Porto/.test(wrong.text))
                throw new Error(`it went out: ${wrong.text}`);
            is(wrong.status, stream ? 200 : 403, wrong.text);
            is((await entry(blocking, wrong)).guard, 'blocked');
        }
        const other = await ask(blocking, mock, { ...trip, model: 'mock-1' }, 'answer', false, 'Here you are: ' + good);
        is(other.status, 200, other.text);
    });
    await test('texts without a form stream as ever: the first words come before the last are said', async () => {
        const a = await ask(blocking, mock, { ...ways.chat, answer: {} }, 'answer', true, 'one two three');
        const pieces = a.text.split('\n\n').filter((l) => /"content":"[^"]/.test(l));
        if (pieces.length < 2)
            throw new Error(`held: ${a.text}`);
    });
    await blocking.stop();
    await mock.stop();
});
