// The official OpenAI and Anthropic SDKs, unchanged, through the gateway. TAP on stdout.
'use strict';
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');
const { test, is, ok } = require('../browser/tap.js');
const { program, Mock, Gateway, canary, upstreamKey, direct, until } = require('./world.js');

const sdk = path.join(process.env.BTZ_BUILD, 'sdk');
const fetchTool = { type: 'function', function: { name: 'get_weather', description: 'Weather of a place.', parameters: { type: 'object', properties: { place: { type: 'string' } } } } };
const claudeTool = { name: 'get_weather', description: 'Weather of a place.', input_schema: { type: 'object', properties: { place: { type: 'string' } } } };
const say = (marker) => [{ role: 'user', content: `Please answer. mock:${marker};` }];

async function fails(promise, kind, what) {
    try {
        await promise;
    } catch (error) {
        ok(error instanceof kind, `${what}: ${error.constructor.name}: ${error.message}`);
        return error;
    }
    throw new Error(`${what}: did not fail`);
}

async function openaiChat(w, client) {
    const place = await w.mock.say('{"place": "Lisbon", "unit": "c"}');
    await test('openai: chat', async () => {
        const done = await client.chat.completions.create({ model: 'mock-1', messages: say('echo') });
        ok(done.choices[0].message.content.startsWith('Please answer.'), done.choices[0].message.content);
        is(done.model, 'mock-1', 'model');
        is(done.usage.total_tokens, 14, 'tokens');
    });
    await test('openai: the upstream sees its own credential, not the client\'s', async () => {
        await w.mock.seen();
        await client.chat.completions.create({ model: 'mock-1', messages: say('echo') });
        const [q] = await w.mock.seen();
        if (direct)
            return;
        is(q.all('authorization').join(), `Bearer ${upstreamKey}`, 'authorization');
        ok(!JSON.stringify(q.headers).includes(w.key), 'the key of the client went upstream');
        is(q.all('host').join(), `127.0.0.1:${w.mock.port}`, 'host');
        for (const name of ['cookie', 'x-api-key', 'api-key', 'proxy-authorization', 'te', 'upgrade', 'keep-alive'])
            is(q.all(name).length, 0, name);
    });
    await test('openai: chat streams, chunk by chunk', async () => {
        const stream = await client.chat.completions.create({ model: 'mock-1', messages: say('size=3'), stream: true });
        let text = '', chunks = 0, usage = 0;
        for await (const c of stream) {
            text += c.choices[0]?.delta?.content ?? '';
            usage += c.usage ? 1 : 0;
            chunks++;
        }
        is(text, 'Hello from the mock.', 'text');
        ok(chunks >= 4, `${chunks} chunks`);
        is(usage, 0, 'usage chunks that nobody asked for');
    });
    await test('openai: usage in a stream where the client asks for it', async () => {
        const stream = await client.chat.completions.create({ model: 'mock-1', messages: say('size=3'), stream: true, stream_options: { include_usage: true } });
        let usage = null;
        for await (const c of stream)
            usage = c.usage ?? usage;
        is(usage.total_tokens, 14, 'tokens');
    });
    await test('openai: a stream arrives as it is made, not at its end', async () => {
        const began = Date.now();
        const stream = await client.chat.completions.create({ model: 'mock-1', messages: say('size=3,hold=1500'), stream: true });
        let first = 0;
        for await (const _ of stream)
            first ||= Date.now() - began;
        ok(first < 1000 && Date.now() - began >= 1400, `first after ${first} ms of ${Date.now() - began}`);
    });
    await test('openai: tools', async () => {
        const done = await client.chat.completions.create({ model: 'mock-1', messages: say(`kind=args,tool=get_weather,say=${place}`), tools: [fetchTool] });
        const [call] = done.choices[0].message.tool_calls;
        is(call.function.name, 'get_weather', 'name');
        is(JSON.parse(call.function.arguments).place, 'Lisbon', 'argument');
        is(done.choices[0].finish_reason, 'tool_calls', 'finish');
        const next = await client.chat.completions.create({ model: 'mock-1', tools: [fetchTool], messages: [...say('x'), done.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'It is sunny. mock:echo;' }] });
        ok(next.choices[0].message.content.length > 0, 'no answer to the result of a tool');
    });
    await test('openai: two tools at once, streamed, put together by the helper', async () => {
        const done = await client.chat.completions.stream({ model: 'mock-1', messages: say(`kind=args,tool=get_weather,tools=2,seed=5,say=${place}`), tools: [fetchTool] }).finalChatCompletion();
        const calls = done.choices[0].message.tool_calls;
        is(calls.length, 2, 'calls');
        for (const call of calls)
            is(JSON.parse(call.function.arguments).place, 'Lisbon', 'argument');
    });
    await test('openai: several choices at once, streamed', async () => {
        const done = await client.chat.completions.stream({ model: 'mock-1', n: 3, messages: say('choices=3,seed=8') }).finalChatCompletion();
        is(done.choices.map((c) => c.message.content).join('|'), Array(3).fill('Hello from the mock.').join('|'), 'texts');
    });
    await test('openai: completions, whole and streamed', async () => {
        const whole = await client.completions.create({ model: 'mock-1', prompt: 'Go on.' });
        is(whole.choices[0].text, 'Hello from the mock.', 'text');
        let text = '';
        for await (const c of await client.completions.create({ model: 'mock-1', prompt: 'mock:seed=3;', stream: true }))
            text += c.choices[0]?.text ?? '';
        is(text, 'Hello from the mock.', 'streamed');
    });
    await test('openai: responses, whole and streamed, with tools and reasoning', async () => {
        const whole = await client.responses.create({ model: 'mock-1', input: 'Please answer.' });
        is(whole.output_text, 'Hello from the mock.', 'text');
        const streamed = await client.responses.stream({ model: 'mock-1', input: 'mock:seed=4;' }).finalResponse();
        is(streamed.output[0].content[0].text, 'Hello from the mock.', 'streamed');
        const tools = [{ type: 'function', name: 'get_weather', strict: false, parameters: fetchTool.function.parameters }];
        const called = await client.responses.stream({ model: 'mock-1', tools, input: `mock:kind=args,tool=get_weather,seed=4,say=${place};` }).finalResponse();
        is(JSON.parse(called.output[0].arguments).place, 'Lisbon', 'argument');
        let thought = '';
        for await (const e of await client.responses.create({ model: 'mock-1', stream: true, input: 'mock:kind=reasoning,seed=2;' }))
            thought += e.type === 'response.reasoning_summary_text.delta' ? e.delta : '';
        is(thought, 'Hello from the mock.', 'reasoning');
    });
}

async function openaiOther(w, client, OpenAI) {
    await test('openai: embeddings', async () => {
        const done = await client.embeddings.create({ model: 'mock-embed', input: 'a word', encoding_format: 'float' });
        is(done.data[0].embedding.join(), '0.25,-0.5,0.125', 'vector');
    });
    await test('openai: files: upload, list, look, fetch, delete', async () => {
        const made = await client.files.create({ file: await OpenAI.toFile(Buffer.from('{"custom_id":"1"}\n'), 'a.jsonl'), purpose: 'batch' });
        is(made.id, 'file-mock', 'id');
        const all = [];
        for await (const f of client.files.list())
            all.push(f.id);
        is(all.join(), 'file-mock', 'list');
        is((await client.files.retrieve('file-mock')).filename, 'a.jsonl', 'name');
        is(await (await client.files.content('file-mock')).text(), 'Hello from the mock.', 'content');
        is((await client.files.delete('file-mock')).deleted, true, 'deleted');
    });
    await test('openai: batches, for who may call any model', async () => {
        const batch = { input_file_id: 'file-mock', endpoint: '/v1/chat/completions', completion_window: '24h' };
        const all = new OpenAI({ apiKey: w.service('batcher', ['user'], 'model.invoke model/*', 'endpoint.use *'), baseURL: `${w.url}/v1`, maxRetries: 0 });
        await all.files.create({ file: await OpenAI.toFile(Buffer.from('{"custom_id":"1"}\n'), 'a.jsonl'), purpose: 'batch' });
        is((await all.batches.create(batch)).id, 'batch_mock', 'batch');
        is((await client.batches.create(batch).catch((error) => error)).status, 403, 'status of one who may call some');
    });
    await test('openai: moderations, images, speech and transcription', async () => {
        is((await client.moderations.create({ model: 'mock-mod', input: 'a word' })).results[0].flagged, false, 'moderation');
        is((await client.images.generate({ model: 'mock-image', prompt: 'a tower' })).data[0].b64_json, 'iVBORw0KGgo=', 'image');
        is((await (await client.audio.speech.create({ model: 'mock-tts', voice: 'alloy', input: 'a word' })).arrayBuffer()).byteLength, 10, 'speech');
        is((await client.audio.transcriptions.create({ model: 'mock-stt', file: await OpenAI.toFile(Buffer.from('RIFF'), 'a.wav') })).text, 'Hello from the mock.', 'transcription');
    });
    await test('openai: models', async () => {
        const names = [];
        for await (const m of client.models.list())
            names.push(m.id);
        ok(names.some((n) => n.startsWith('mock')), names.join());
        ok(!names.includes('secret-model'), 'a model is listed that the caller may not use');
    });
    await test('openai: abort in the middle of a stream ends the upstream\'s too', async () => {
        const { aborted } = await w.mock.counts();
        const stream = await client.chat.completions.create({ model: 'mock-1', messages: say('size=1,slow=30,huge=20000'), stream: true });
        for await (const _ of stream) {
            stream.controller.abort();
            break;
        }
        await until('the upstream to be told', async () => (await w.mock.counts()).aborted > aborted);
    });
    await test('openai: abort before the answer', async () => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(), 100);
        await fails(client.chat.completions.create({ model: 'mock-1', messages: say('first=3000') }, { signal: controller.signal }), OpenAI.APIUserAbortError, 'abort');
    });
}

async function openaiErrors(w, client, OpenAI) {
    const plain = (options) => new OpenAI({ baseURL: w.url + '/v1', apiKey: w.key, maxRetries: 0, ...options });
    await test('openai: errors of the upstream arrive as they are', async () => {
        const error = await fails(plain().chat.completions.create({ model: 'mock-1', messages: say('status=400') }), OpenAI.BadRequestError, '400');
        ok(error.message.includes('the mock was told to fail'), error.message);
        await fails(plain().chat.completions.create({ model: 'mock-1', messages: say('status=500') }), OpenAI.InternalServerError, '500');
        const limited = await fails(plain().chat.completions.create({ model: 'mock-1', messages: say('status=429,retry=7') }), OpenAI.RateLimitError, '429');
        is(limited.headers.get('retry-after'), '7', 'retry-after');
    });
    await test('openai: the SDK\'s own retry works', async () => {
        const done = await client.chat.completions.create({ model: 'mock-1', messages: say('status=503,once=1,retry=1') });
        is(done.choices[0].message.content, 'Hello from the mock.', 'text');
    });
    await test('openai: a stream that dies in the middle is an error', async () => {
        await fails((async () => {
            for await (const _ of await plain().chat.completions.create({ model: 'mock-1', messages: say('size=2,die=4'), stream: true }))
                ;
        })(), direct ? Error : OpenAI.APIError, 'died');
    });
    if (direct)
        return;
    await test('openai: a wrong key is an AuthenticationError', async () => {
        await fails(plain({ apiKey: 'btz_wrong' }).chat.completions.create({ model: 'mock-1', messages: say('x') }), OpenAI.AuthenticationError, '401');
    });
    await test('openai: a model that is not allowed is a PermissionDeniedError', async () => {
        const error = await fails(plain().chat.completions.create({ model: 'secret-model', messages: say('x') }), OpenAI.PermissionDeniedError, '403');
        ok(error.headers.get('x-bartizan-request-id'), 'no request id');
    });
    await test('openai: a limit is a RateLimitError with retry-after', async () => {
        const c = plain({ apiKey: w.limited });
        await c.chat.completions.create({ model: 'mock-1', messages: say('x') });
        const error = await fails(c.chat.completions.create({ model: 'mock-1', messages: say('x') }), OpenAI.RateLimitError, '429');
        ok(Number(error.headers.get('retry-after')) >= 1, 'retry-after: ' + error.headers.get('retry-after'));
    });
    await test('openai: a blocked request never goes upstream', async () => {
        await w.mock.seen();
        const error = await fails(plain().chat.completions.create({ model: 'mock-1', messages: [{ role: 'user', content: `the word ${canary}` }] }), OpenAI.APIError, 'blocked');
        ok(error.status >= 400 && error.status < 500, `status ${error.status}`);
        ok(!error.message.includes(canary), 'the answer repeats it');
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
    const leak = await w.mock.say(`so, the word is ${canary}, and that is all`);
    await test('openai: a blocked answer is an APIError, whole and streamed', async () => {
        await fails(plain().chat.completions.create({ model: 'mock-1', messages: say(`say=${leak}`) }), OpenAI.APIError, 'whole');
        let text = '';
        await fails((async () => {
            for await (const c of await plain().chat.completions.create({ model: 'mock-1', messages: say(`say=${leak},seed=3`), stream: true }))
                text += c.choices[0]?.delta?.content ?? '';
        })(), OpenAI.APIError, 'streamed');
        ok(!text.includes('CANARY-z'), text);
    });
}

async function anthropic(w, Anthropic) {
    const client = new Anthropic({ baseURL: w.url, apiKey: w.key, maxRetries: 0 });
    const ask = (marker, more = {}) => ({ model: 'claude-mock', max_tokens: 100, messages: say(marker), ...more });
    const place = await w.mock.say('{"place": "Lisbon", "unit": "c"}');
    await test('anthropic: messages', async () => {
        await w.mock.seen();
        const done = await client.messages.create(ask('echo', { system: 'Be brief.' }));
        ok(done.content[0].text.startsWith('Please answer.'), done.content[0].text);
        is(done.usage.output_tokens, 7, 'tokens');
        const [q] = await w.mock.seen();
        ok(q.all('anthropic-version').length === 1, 'anthropic-version goes on');
        if (direct)
            return;
        is(q.all('x-api-key').join(), upstreamKey, 'x-api-key');
        ok(!JSON.stringify(q.headers).includes(w.key), 'the key of the client went upstream');
    });
    await test('anthropic: the streaming helper: text', async () => {
        const seen = [];
        const stream = client.messages.stream(ask('seed=6')).on('text', (t) => seen.push(t));
        is((await stream.finalMessage()).content[0].text, 'Hello from the mock.', 'text');
        is(seen.join(''), 'Hello from the mock.', 'pieces');
        ok(seen.length > 1, 'only one piece');
    });
    await test('anthropic: the streaming helper: tools', async () => {
        const done = await client.messages.stream(ask(`kind=args,tool=get_weather,tools=2,seed=7,say=${place}`, { tools: [claudeTool] })).finalMessage();
        is(done.content.length, 2, 'blocks');
        is(done.content[1].input.place, 'Lisbon', 'argument');
        is(done.stop_reason, 'tool_use', 'stop reason');
    });
    await test('anthropic: tools, and their results', async () => {
        const done = await client.messages.create(ask(`kind=args,tool=get_weather,say=${place}`, { tools: [claudeTool] }));
        const call = done.content[0];
        is(call.input.place, 'Lisbon', 'argument');
        const next = await client.messages.create(ask('x', { tools: [claudeTool], messages: [...say('x'), { role: 'assistant', content: done.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'It is sunny.' }] }] }));
        is(next.content[0].text, 'Hello from the mock.', 'text');
    });
    await test('anthropic: the streaming helper: thinking, with its signature', async () => {
        const done = await client.messages.stream(ask('kind=reasoning,seed=5', { max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 1024 } })).finalMessage();
        is(done.content[0].thinking, 'Hello from the mock.', 'thinking');
        is(done.content[0].signature, 'c2lnbmF0dXJl', 'signature');
        is(done.content[1].text, 'Done.', 'text');
    });
    await test('anthropic: count_tokens', async () => {
        is((await client.messages.countTokens({ model: 'claude-mock', messages: say('x') })).input_tokens, 14, 'tokens');
    });
    await test('anthropic: errors of the upstream arrive as they are', async () => {
        const error = await fails(client.messages.create(ask('status=529')), Anthropic.APIError, '529');
        is(error.error?.error?.type, 'api_error', 'type');
    });
    await test('anthropic: abort in the middle of a stream', async () => {
        const { aborted } = await w.mock.counts();
        const stream = client.messages.stream(ask('size=1,slow=30,huge=20000'));
        stream.on('text', () => stream.abort());
        await fails(stream.finalMessage(), Anthropic.APIUserAbortError, 'abort');
        await until('the upstream to be told', async () => (await w.mock.counts()).aborted > aborted);
    });
    if (direct)
        return;
    await test('anthropic: a wrong key, a model that is not allowed', async () => {
        const error = await fails(new Anthropic({ baseURL: w.url, apiKey: 'btz_wrong', maxRetries: 0 }).messages.create(ask('x')), Anthropic.AuthenticationError, '401');
        is(error.error?.type, 'error', 'shape of the error');
        await fails(client.messages.create(ask('x', { model: 'secret-model' })), Anthropic.PermissionDeniedError, '403');
    });
    const leak = await w.mock.say(`so, the word is ${canary}, and that is all`);
    await test('anthropic: a blocked answer is an APIError, whole and streamed', async () => {
        await fails(client.messages.create(ask(`say=${leak}`)), Anthropic.APIError, 'whole');
        let text = '';
        await fails(client.messages.stream(ask(`say=${leak},seed=3`)).on('text', (t) => (text += t)).finalMessage(), Anthropic.APIError, 'streamed');
        ok(!text.includes('CANARY-z'), text);
    });
    await test('anthropic: a blocked request never goes upstream', async () => {
        await w.mock.seen();
        await fails(client.messages.create({ model: 'claude-mock', max_tokens: 9, messages: [{ role: 'user', content: canary }] }), Anthropic.APIError, 'blocked');
        is((await w.mock.seen()).length, 0, 'requests upstream');
    });
}

async function main(work) {
    if (!fs.existsSync(path.join(sdk, '.installed'))) {
        await test('the official SDKs through the gateway', () => ({ skip: 'they could not be installed (tests/gateway/sdk/install)' }));
        return;
    }
    const load = createRequire(path.join(sdk, 'package.json'));
    const OpenAI = load('openai'), Anthropic = load('@anthropic-ai/sdk');
    const mock = await Mock.start();
    const w = await Gateway.start(work, mock, { gate: { limits: [{ each: 'principal', name: 'slow-app', requests_per_minute: 1 }] } });
    try {
        if (!direct)
            w.limited = w.service('slow-app', ['user']);
        const client = new OpenAI({ baseURL: w.url + '/v1', apiKey: w.key });
        await openaiChat(w, client);
        await openaiOther(w, client, OpenAI);
        await openaiErrors(w, client, OpenAI);
        await anthropic(w, Anthropic);
    } finally {
        const status = await w.stop();
        await test('the gateway stops cleanly', () => is(status, 0, 'exit status'));
        await mock.stop();
    }
}

program('sdk', main);
