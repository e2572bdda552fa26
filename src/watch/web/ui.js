// ui: messages, dialogs, forms and lists. Every page is made of these.
import { $, add, fill, h, hidden, newId } from './dom.js';
import { Problem, get, query } from './api.js';

/* ---- messages ---- */

// One message at a time, read out by screen readers; errors stay until they are put away.
export function say(kind, text, advice) {
    const host = $('#messages');
    const note = h('div', { class: `note ${kind}` },
        h('div', null, h('p', null, text), advice && h('p', { class: 'soft' }, advice)),
        h('button', { type: 'button', class: 'small', onclick: () => note.remove() }, 'Dismiss'));
    fill(host, note);
}

export function sayProblem(error) {
    if (error.name === 'AbortError' || error.cancelled)
        return;
    if (!(error instanceof Problem)) {
        say('bad', 'This page made a mistake: ' + error.message, 'Load the page again. If it happens again, tell an operator.');
        throw error;
    }
    say('bad', `${error.title}: ${error.message}`, error.advice);
}

// A change that a second person must approve first.
export function pending(answer) {
    if (answer.status !== 202)
        return false;
    say('warn', 'This change waits for a second person.', 'Nothing has changed yet. Somebody else who may approve it finds it under Approvals.');
    return true;
}

export const note = (kind, ...children) => h('div', { class: `note ${kind}` }, children);

export function problemNote(error, retry) {
    return h('div', { class: 'note bad', role: 'alert' }, h('p', null, h('strong', null, error.title || 'It did not work')),
        h('p', null, error.message), error.advice && h('p', { class: 'soft' }, error.advice),
        retry && h('p', null, h('button', { type: 'button', class: 'small', onclick: retry }, 'Try again')));
}

/* ---- forms ---- */

// { name, label, kind: text|password|textarea|select|check|number|..., hint, required, options: [[value, text]], value, ... }
export function field(f) {
    const id = newId('f');
    const hint = f.hint && h('p', { class: 'hint', id: id + '-h' }, f.hint);
    const common = {
        id, name: f.name, required: f.required, autocomplete: f.autocomplete || 'off', 'aria-describedby': hint ? id + '-h' : null,
        maxlength: f.max, spellcheck: 'false', autocapitalize: 'none', class: f.class,
    };
    if (f.kind === 'check')
        return h('div', { class: 'field' }, h('label', { class: 'tick', for: id },
            h('input', { type: 'checkbox', id, name: f.name, checked: f.value, required: f.required }), f.label), hint);
    if (f.kind === 'checks')
        return h('fieldset', { class: 'field', 'aria-describedby': hint ? id + '-h' : null }, h('legend', null, f.label), hint && h('p', { class: 'hint', id: id + '-h' }, f.hint),
            f.options.map(([value, text]) => h('label', { class: 'tick' }, h('input', { type: 'checkbox', name: f.name, value }), text)));
    let control;
    if (f.kind === 'textarea')
        control = h('textarea', { ...common, rows: f.rows || 3, value: f.value || '' });
    else if (f.kind === 'select')
        control = h('select', common, f.options.map(([value, text]) => h('option', { value, selected: value === f.value }, text)));
    else
        control = h('input', {
            ...common, type: f.kind || 'text', value: f.value ?? '', list: f.options ? id + '-l' : null, min: f.min,
            inputmode: f.inputmode, pattern: f.pattern, placeholder: f.placeholder,
        });
    const list = f.options && f.kind !== 'select' && h('datalist', { id: id + '-l' }, f.options.map((o) => h('option', { value: o[0] ?? o }, o[1])));
    const box = f.kind === 'password' ? secretBox(control) : control;
    return h('div', { class: 'field' }, h('label', { for: id }, f.label, !f.required && f.optional !== false && f.optional
        ? h('span', { class: 'soft' }, ' (optional)') : null), box, list, hint);
}

function secretBox(control) {
    const show = h('button', {
        type: 'button', 'aria-pressed': 'false', onclick: () => {
            const shown = control.type === 'text';
            control.type = shown ? 'password' : 'text';
            show.setAttribute('aria-pressed', String(!shown));
            fill(show, shown ? 'Show' : 'Hide', hidden(' password'));
        },
    }, 'Show', hidden(' password'));
    return h('div', { class: 'secret' }, control, show);
}

export function values(form) {
    const out = {};
    for (const el of form.elements) {
        if (!el.name)
            continue;
        if (el.type === 'checkbox' && el.hasAttribute('value')) {
            out[el.name] = out[el.name] || [];
            if (el.checked)
                out[el.name].push(el.value);
        } else if (el.type === 'checkbox')
            out[el.name] = el.checked;
        else if (el.type === 'datetime-local')
            out[el.name] = el.value ? new Date(el.value).toISOString() : '';
        else
            out[el.name] = el.type === 'password' ? el.value : el.value.trim();
    }
    return out;
}

// Without the empty ones: an absent field has its default.
export const given = (object) => Object.fromEntries(Object.entries(object).filter(([, v]) => v !== '' && v !== undefined && !(Array.isArray(v) && v.length === 0)));

// A form that sends once at a time and tells its errors beside the button. `send(values)` throws Problems.
export function form(fields, action, send, more = {}) {
    const fault = h('p', { class: 'fault', role: 'alert' });
    const button = h('button', { class: `${more.quiet ? '' : 'main'} ${more.danger ? 'bad' : ''} ${more.wide ? 'wide' : ''}` }, action);
    const node = h('form', {
        class: more.class, onsubmit: async (event) => {
            event.preventDefault();
            if (button.getAttribute('aria-disabled') === 'true')
                return;
            button.setAttribute('aria-disabled', 'true');
            fill(fault);
            try {
                await send(values(node), node);
            } catch (error) {
                await tell(error, fault, button, action);
            } finally {
                button.removeAttribute('aria-disabled');
            }
        },
    }, fields.map((f) => f instanceof Node ? f : field(f)), fault, h('div', { class: more.foot || 'bar' }, more.before, button, more.after));
    return node;
}

async function tell(error, fault, button, action) {
    if (error.name === 'AbortError')
        return;
    if (error.cancelled) {
        fill(fault, error.message);
        return;
    }
    if (!(error instanceof Problem)) {
        fill(fault, error.message);
        return;
    }
    fill(fault, error.message, error.advice ? ' ' + error.advice : '');
    if (error.status === 429 && error.wait)
        await countDown(button, action, error.wait, fault);
}

// The button says how long to wait, without talking every second to screen readers.
function countDown(button, action, seconds, fault) {
    const end = Date.now() + seconds * 1000;
    return new Promise((done) => {
        const step = () => {
            const left = Math.ceil((end - Date.now()) / 1000);
            if (left <= 0 || !button.isConnected) {
                fill(button, action);
                fill(fault);
                done();
                return;
            }
            fill(button, `Wait ${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`);
            setTimeout(step, 250);
        };
        step();
    });
}

/* ---- dialogs ---- */

// Resolves when the dialog is closed, with what `close(value)` was given; the focus goes back to where it was.
export function dialog(title, build, options = {}) {
    return new Promise((done) => {
        const id = newId('d');
        const back = document.activeElement;
        let result = null;
        const node = h('dialog', { 'aria-labelledby': id, class: options.broad ? 'broad' : null });
        const close = (value) => {
            result = value;
            node.close();
        };
        add(node, [h('h2', { id, tabindex: '-1' }, title), build(close, node)]);
        node.addEventListener('cancel', (event) => {
            if (options.stay)
                event.preventDefault();
        });
        node.addEventListener('close', () => {
            node.remove();
            if (back && back.isConnected)
                back.focus();
            done(result);
        });
        document.body.append(node);
        node.showModal();
        const first = node.querySelector('[autofocus]') || node.querySelector('input, select, textarea') || $('h2', node);
        first.focus();
    });
}

const cancelButton = (close, word = 'Cancel') => h('button', { type: 'button', onclick: () => close(null) }, word);
export { cancelButton };

// A question with fields; `send(values)` runs while the dialog is open, so that its errors are seen there.
export function ask(title, what, fields, action, send, options = {}) {
    return dialog(title, (close) => [
        [what].flat().map((w) => w instanceof Node ? w : h('p', null, w)),
        form(fields, action, async (v, node) => close(await send(v, node) ?? true), { danger: options.danger, foot: 'foot', before: cancelButton(close) }),
    ], options);
}

// A secret that is shown once: copy it, then say that it is kept.
export function showOnce(title, what, secret, more) {
    return dialog(title, (close) => [
        h('p', null, what), h('div', { class: 'once', tabindex: '0', role: 'textbox', 'aria-readonly': 'true', 'aria-label': title }, secret), more,
        h('div', { class: 'foot' }, copyButton(secret), h('button', { type: 'button', class: 'main', onclick: () => close(true) }, 'I have stored it')),
    ], { stay: true });
}

export function copyButton(text) {
    const button = h('button', {
        type: 'button', onclick: async () => {
            try {
                await navigator.clipboard.writeText(text);
                fill(button, 'Copied');
                say('good', 'Copied.');
            } catch {
                say('warn', 'The browser does not allow copying.', 'Select the text and copy it by keyboard.');
            }
        },
    }, 'Copy');
    return button;
}

export function save(blob, filename) {
    const link = h('a', { download: filename });
    link.href = URL.createObjectURL(blob);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/* ---- lists ---- */

// columns: [heading, item => node, class]; the first is the row's heading. The last, without heading, holds buttons.
export function table(caption, columns, items) {
    const body = h('tbody', { role: 'rowgroup' });
    const node = h('table', { role: 'table' }, h('caption', null, caption), h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
        columns.map(([heading]) => h('th', { scope: 'col', role: 'columnheader' }, heading || hidden('Actions'))))), body);
    node.addRows = (more, first) => {
        const rows = more.map((item) => h('tr', { role: 'row' }, columns.map(([heading, cell, style], i) => i === 0
            ? h('th', { scope: 'row', role: 'rowheader' }, cell(item))
            : h('td', { role: 'cell', class: style || (heading ? null : 'acts'), 'data-t': heading || null }, cell(item)))));
        if (first)
            body.prepend(...rows);
        else
            body.append(...rows);
        return rows;
    };
    node.addRows(items);
    return node;
}

// A button in a row; its name says which row it belongs to.
export function act(word, about, run, style = '') {
    return h('button', {
        type: 'button', class: `small ${style}`, onclick: async (event) => {
            const button = event.currentTarget;
            if (button.getAttribute('aria-disabled') === 'true')
                return;
            button.setAttribute('aria-disabled', 'true');
            try {
                await run();
            } catch (error) {
                sayProblem(error);
            } finally {
                button.removeAttribute('aria-disabled');
            }
        },
    }, word, about && hidden(` ${about}`));
}

const loading = new Set();
// Until every section has what it shows, or it takes too long: a page appears in one piece, nothing jumps.
export const settled = (ms) => Promise.race([Promise.all([...loading]), new Promise((done) => setTimeout(done, ms))]);

export function section(host, load, draw) {
    const done = fillSection(host, load, draw).finally(() => loading.delete(done));
    loading.add(done);
    return done;
}

// Shows what `load()` gives through `draw(data)`; says when it takes long, failed, or may not be seen.
async function fillSection(host, load, draw) {
    const again = () => section(host, load, draw);
    const slow = setTimeout(() => fill(host, h('p', { class: 'waiting', role: 'status' }, 'Loading …')), 400);
    host.setAttribute('aria-busy', 'true');
    try {
        const data = await load();
        clearTimeout(slow);
        fill(host, draw(data, again));
    } catch (error) {
        clearTimeout(slow);
        if (!error.cancelled)
            fill(host, problemNote(error, error.status === 403 ? null : again));
        if (!(error instanceof Problem))
            throw error;
    } finally {
        host.removeAttribute('aria-busy');
    }
    return again;
}

export const empty = (text, hint) => h('div', { class: 'empty' }, h('p', null, text), hint && h('p', { class: 'soft' }, hint));

// A paged list of the server. Returns { node, reload }.
export function list({ path, fields = () => ({}), caption, columns, none, hint, size = 50 }) {
    const host = h('div', { class: 'scroll' });
    const load = async (cursor) => (await get(query(path, { ...fields(), limit: size, cursor }))).body;
    const reload = () => section(host, () => load(), (page) => {
        if (!page.items.length)
            return empty(none, hint);
        const rows = table(caption, columns, page.items);
        const more = h('p', { class: 'more' });
        const offer = (next) => fill(more, next && act('Show more', caption, async () => {
            const body = await load(next);
            const added = rows.addRows(body.items);
            offer(body.next);
            say('good', `${added.length} more shown.`);
            if (!body.next && added[0])
                added[0].querySelector('a, button')?.focus();
        }));
        offer(page.next);
        return [rows, more];
    });
    return { node: host, reload };
}

// Waits until typing pauses.
export function later(run, ms = 250) {
    let timer;
    return () => {
        clearTimeout(timer);
        timer = setTimeout(run, ms);
    };
}
