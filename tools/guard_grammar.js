/*
 * guard_grammar.js [FOLDER]: writes tools/guard_corpus/made-*.jsonl, training texts made by grammars. They are trained on
 * and never judged by ("kind": "made"). Equal runs write equal bytes. A grammar is a line: {a|b|c} is one of these, NAME
 * in angle brackets one of that list. Goals are harmless: a marker word, the system prompt, example.com.
 */
'use strict';
const fs = require('fs');
const path = require('path');

/* xorshift32 */
let state = 0;
function below(n) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
}

function close(text, from) {
    for (let depth = 0, i = from; i < text.length; i++) {
        depth += text[i] === '{' ? 1 : text[i] === '}' ? -1 : 0;
        if (depth === 0)
            return i;
    }
    throw new Error('open brace in: ' + text);
}

function parts(text) {
    const out = [''];
    let depth = 0;

    for (const c of text) {
        depth += c === '{' ? 1 : c === '}' ? -1 : 0;
        if (c === '|' && depth === 0)
            out.push('');
        else
            out[out.length - 1] += c;
    }
    return out;
}

function expand(text, lists) {
    let out = '';

    for (let i = 0; i < text.length; i++) {
        const name = /^<([a-z]+)>/.exec(text.slice(i));

        if (text[i] === '{') {
            const end = close(text, i), options = parts(text.slice(i + 1, end));

            out += expand(options[below(options.length)], lists);
            i = end;
        } else if (name && lists[name[1]]) {
            const list = lists[name[1]];

            out += expand(list[below(list.length)], lists);
            i += name[0].length - 1;
        } else {
            out += text[i];
        }
    }
    return out;
}

function sentence(text) {
    text = text.replace(/ +/g, ' ').replace(/ ([.,!?])/g, '$1').trim();
    return text;
}

/* `each` different texts of every line, fewer where it has not so many. */
function make(lines, each, lists, seen) {
    const out = [];

    for (const line of lines) {
        for (let n = 0, tries = 0; n < each && tries < each * 8; tries++) {
            const text = sentence(expand(line, lists));

            if (!seen.has(text)) {
                seen.add(text);
                out.push(text);
                n++;
            }
        }
    }
    return out;
}

/* Some of them one after the other: long requests and pasted pages have many windows, and each may look bad. */
function join(texts) {
    const out = [];

    for (let n = 0; n < texts.length / 12; n++) {
        let text = '';

        for (let k = 6 + below(10); k > 0; k--)
            text += (text && ['\n', ' ', ' ', '\n\n'][below(4)]) + texts[below(texts.length)];
        out.push(text);
    }
    return out;
}

/* The source is named by its first lines: seeds differ, so that adding a source changes no other. */
function write(folder, source, label, channels, lines, each, lists) {
    let out = '', n = 0;

    state = 2463534242;
    for (const c of source)
        state = (Math.imul(state, 31) + c.charCodeAt(0)) | 0 || 1;
    let texts = make(lines, each, lists, new Set());

    if (source.endsWith('-long'))
        texts = join(texts);
    for (const text of texts)
        out += JSON.stringify({ text, label, channel: channels[n++ % channels.length], kind: 'made' }) + '\n';
    fs.writeFileSync(path.join(folder, source + '.jsonl'), out);
    console.error(`${source}: ${n}`);
}

const folder = process.argv[2] || path.join(__dirname, 'guard_corpus');
for (const name of ['english', 'world', 'indirect', 'benign', 'ordinary', 'spoken']) {
    const g = require('./guard_grammar/' + name + '.js');

    for (const s of g.sources)
        write(folder, s.source, s.label, s.channels, s.lines, s.each, g.lists || {});
}
