// lanes: the texts of an answer as its client would put them together, from the bytes that it received.
'use strict';

// Data of each event; comments and other fields are skipped as the specification of server-sent events has it.
function events(text) {
    return text.split(/\r\n\r\n|\n\n|\r\r/).map((block) => block.split(/\r\n|\n|\r/).filter((l) => l.startsWith('data:')).map((l) => l.slice(l[5] === ' ' ? 6 : 5)).join('\n')).filter(Boolean);
}

function objects(text, lines) {
    const parts = lines ? text.split('\n').filter((l) => l.trim()) : events(text).filter((e) => e !== '[DONE]');
    return parts.map((p) => {
        try {
            return JSON.parse(p);
        } catch {
            throw new Error(`not JSON in the stream: ${p.slice(0, 200)}`);
        }
    });
}

class Lanes {
    constructor() {
        this.texts = {};
        this.repeats = [];
        this.error = null;
        this.ended = false;
    }

    add(name, piece) {
        if (typeof piece === 'string')
            this.texts[name] = (this.texts[name] ?? '') + piece;
    }

    // The only text of a kind; all of them must be equal.
    only(kind) {
        const found = Object.entries(this.texts).filter(([n]) => n[0] === kind).map(([, t]) => t);
        if (found.some((t) => t !== found[0]))
            throw new Error(`texts that should be equal: ${JSON.stringify(found)}`);
        return found[0] ?? '';
    }
}

const readers = {
    chat(lanes, o) {
        for (const c of o.choices ?? []) {
            const m = c.delta ?? c.message ?? {};
            lanes.add('t' + c.index, m.content);
            lanes.add('r' + c.index, m.reasoning_content ?? m.reasoning);
            for (const call of m.tool_calls ?? [])
                lanes.add(`a${c.index}.${call.index ?? call.id}`, call.function?.arguments);
        }
    },
    completions(lanes, o) {
        for (const c of o.choices ?? [])
            lanes.add('t' + c.index, c.text);
    },
    messages(lanes, o) {
        const kinds = { text: 't', thinking: 'r', input: 'a', partial_json: 'a' };
        const block = (index, b) => {
            for (const [member, kind] of Object.entries(kinds))
                if (member in b && !(member === 'input' && !Object.keys(b.input).length))
                    lanes.add(kind + index, member === 'input' ? JSON.stringify(b.input) : b[member]);
        };
        (o.content ?? []).forEach((b, i) => block(i, b));
        if (o.type === 'content_block_start')
            block(o.index, o.content_block);
        if (o.type === 'content_block_delta')
            block(o.index, o.delta);
        lanes.ended ||= o.type === 'message_stop';
    },
    responses(lanes, o) {
        const kinds = { 'response.output_text.delta': 't', 'response.reasoning_summary_text.delta': 'r', 'response.reasoning_text.delta': 'r', 'response.function_call_arguments.delta': 'a' };
        if (kinds[o.type])
            lanes.add(kinds[o.type] + o.output_index, o.delta);
        const item = (i, into) => {
            if (i.type === 'function_call')
                into('a', i.arguments);
            for (const s of i.summary ?? [])
                into('r', s.text);
            for (const c of i.content ?? [])
                into('t', c.text);
        };
        const repeat = (kind, text) => text && lanes.repeats.push([kind, text]);
        if (o.type?.endsWith('text.done'))
            repeat(o.type.includes('reasoning') ? 'r' : 't', o.text);
        if (o.type === 'response.function_call_arguments.done')
            repeat('a', o.arguments);
        if (o.type === 'response.output_item.done')
            item(o.item, repeat);
        if (o.part)
            repeat(o.item_id?.startsWith('rs') ? 'r' : 't', o.part.text);
        for (const i of o.response?.output ?? [])
            item(i, repeat);
        (o.object === 'response' ? o.output : []).forEach((i, n) => item(i, (kind, text) => lanes.add(kind + n, text)));
        lanes.ended ||= o.type === 'response.completed' || o.type === 'response.failed';
    },
    parts(lanes, o) {
        for (const kind of 'gn')
            for (const c of o.candidates ?? [])
                lanes.add(kind + c.index, (c.content?.parts ?? []).map((p) => p.text).join(''));
    },
    ollama(lanes, o) {
        const m = o.message ?? o;
        lanes.add('t0', m.content ?? m.response);
        lanes.add('r0', m.thinking);
        for (const call of m.tool_calls ?? [])
            lanes.add('a0', JSON.stringify(call.function.arguments));
        lanes.ended ||= o.done === true;
    },
};

function read(shape, text, streamed) {
    const lanes = new Lanes();
    if (shape === 'pass') {
        lanes.add('t0', text);
        return lanes;
    }
    const all = streamed ? objects(text, shape === 'ollama' || text.startsWith('{')) : [JSON.parse(text)];
    for (const o of all) {
        if (o.error || o.type === 'error' || o.type === 'about:blank')
            lanes.error = o;
        readers[shape](lanes, o);
    }
    lanes.ended ||= /data: ?\[DONE\]/.test(text);
    return lanes;
}

// Every string of every JSON value in it, decoded, and those that are JSON decoded again; one after the other.
function strings(text) {
    const found = [];
    const walk = (v) => {
        if (typeof v === 'string') {
            found.push(v);
            if (/^\s*[[{]/.test(v)) {
                try {
                    walk(JSON.parse(v));
                } catch { /* a piece of JSON */ }
            }
        } else if (v && typeof v === 'object') {
            for (const [k, x] of Object.entries(v)) {
                found.push(k);
                walk(x);
            }
        }
    };
    for (const part of [text, ...events(text), ...text.split('\n')]) {
        try {
            walk(JSON.parse(part));
        } catch { /* not JSON */ }
    }
    return found.join('\n');
}

module.exports = { read, strings, events };
