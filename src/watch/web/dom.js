// dom: elements from data. Text is always text: nothing here, or in any module, parses HTML.

let ids = 0;
export const newId = (stem) => `${stem}-${++ids}`;

// Addresses that a page may lead to: its own origin, and https for the sign-in pages of issuers.
function safeAddress(value) {
    const url = new URL(value, location.href);
    if (url.origin !== location.origin && url.protocol !== 'https:')
        throw new TypeError('address refused: ' + url.protocol);
    return value;
}

// h('p', { class: 'soft', onclick: f }, 'text', node, [nodes], null)
export function h(tag, props, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(props || {})) {
        if (value === undefined || value === null || value === false)
            continue;
        if (name.startsWith('on'))
            node.addEventListener(name.slice(2), value);
        else if (name === 'value')
            node.value = value;
        else
            node.setAttribute(name, name === 'href' ? safeAddress(value) : value === true ? '' : String(value));
    }
    add(node, children);
    return node;
}

export function add(node, children) {
    for (const child of [children].flat(Infinity)) {
        if (child === null || child === undefined || child === false || child === '')
            continue;
        node.append(child instanceof Node ? child : String(child));
    }
    return node;
}

export function fill(node, ...children) {
    node.replaceChildren();
    return add(node, children);
}

export const $ = (selector, root = document) => root.querySelector(selector);
// Names that people chose may run the other way or hold marks: they stay inside their own box.
export const name = (text) => h('bdi', null, text);
export const hidden = (text) => h('span', { class: 'hidden' }, text);

const two = (n) => String(n).padStart(2, '0');
function stamp(d, seconds) {
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}` +
        (seconds ? ':' + two(d.getSeconds()) : '');
}

// RFC 3339 as local time; the title has UTC.
export function when(text, seconds) {
    const d = new Date(text || NaN);
    if (Number.isNaN(d.getTime()))
        return null;
    const utc = d.toISOString();
    return h('time', { datetime: utc, title: utc.slice(0, 19).replace('T', ' ') + ' UTC', class: 'nb' }, stamp(d, seconds));
}

// "in 5 minutes", "for 2 h": seconds for people.
export function span(seconds) {
    const s = Math.max(0, Math.round(seconds));
    const one = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
    if (s < 90)
        return one(s, 'second');
    if (s < 5400)
        return one(Math.round(s / 60), 'minute');
    if (s < 48 * 3600)
        return one(Math.round(s / 3600), 'hour');
    return one(Math.round(s / 86400), 'day');
}

const colours = {
    active: 'good', allow: 'good', approved: 'good', current: 'good', 'signed-in': 'good', on: 'good', used: 'good',
    disabled: 'bad', deny: 'bad', denied: 'bad', error: 'bad', revoked: 'bad', locked: 'bad', alarm: 'bad', failed: 'bad',
    expired: 'warn', pending: 'warn', 'step-up': 'warn', invited: 'warn', off: 'warn', 'break-glass': 'bad', elevation: 'warn',
};
export const pill = (word, colour) => word ? h('span', { class: `pill ${colour || colours[word] || ''}` }, word) : null;

// Any JSON as a list of facts.
export function facts(value) {
    if (value === null || value === undefined)
        return h('span', { class: 'soft' }, 'none');
    if (Array.isArray(value)) {
        if (value.length === 0)
            return h('span', { class: 'soft' }, 'none');
        if (value.every((v) => typeof v !== 'object' || v === null))
            return name(value.join(', '));
        return h('ul', { class: 'plain' }, value.map((v) => h('li', null, facts(v))));
    }
    if (typeof value === 'object')
        return h('dl', { class: 'facts' }, Object.entries(value).map(([k, v]) =>
            [h('dt', null, k.replaceAll('_', ' ')), h('dd', null, facts(v))]));
    if (typeof value === 'boolean')
        return value ? 'yes' : 'no';
    const text = String(value);
    return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) ? when(text, true) : name(text);
}
