// audit: the trail as the ledger holds it, newest first, and live.
import { $, facts, fill, h, name, pill, when } from './dom.js';
import { call, get, query } from './api.js';
import { start } from './shell.js';
import { act, ask, dialog, empty, field, form, given, problemNote, save, say, table, values } from './ui.js';

const host = $('#content');
const every = 4000;
const events = ['sign-in', 'sign-out', 'step-up', 'refusal', 'decision', 'change', 'approval', 'elevation', 'break-glass', 'export', 'alarm', 'retention', 'call'];

function details(e) {
    return dialog('Entry of the trail', (close) => [facts(e), h('div', { class: 'foot' }, h('button', { type: 'button', class: 'main', onclick: () => close() }, 'Close'))], { broad: true });
}

const columns = [
    ['Time', (e) => when(e.time, true)],
    ['Who', (e) => [name(e.name || e.principal || 'nobody'), e.method ? h('span', { class: 'soft' }, e.method) : null]],
    ['What', (e) => [e.operation || e.event, e.operation && e.event ? h('span', { class: 'soft' }, e.event) : null]],
    ['Resource', (e) => e.resource ? h('code', null, e.resource) : null],
    ['Verdict', (e) => pill(e.verdict)],
    ['From', (e) => e.address ? name(e.address) : null],
    ['', (e) => act('Details', `of entry ${e.index}`, () => details(e))],
];

const filters = [
    { name: 'principal', label: 'Person or service' }, { name: 'event', label: 'Event', kind: 'select', options: [['', 'any'], ...events.map((e) => [e, e])] },
    { name: 'operation', label: 'Operation', placeholder: 'user.create' }, { name: 'resource', label: 'Resource' }, { name: 'action', label: 'Action' },
    { name: 'verdict', label: 'Verdict', kind: 'select', options: [['', 'any'], ['allow', 'allow'], ['deny', 'deny'], ['error', 'error']] }, { name: 'address', label: 'Address' },
    { name: 'request', label: 'Request', placeholder: 'X-Bartizan-Request-Id' },
    { name: 'from', label: 'From', kind: 'datetime-local' }, { name: 'until', label: 'Until', kind: 'datetime-local' },
];

async function exportAll(asked) {
    const answer = await ask('Export', 'Takes the entries that fit the filters. The export is an entry of the trail itself.', [
        { name: 'format', label: 'Format', kind: 'select', options: [['jsonl', 'JSON lines'], ['ocsf', 'OCSF (security tools)'], ['syslog', 'syslog (RFC 5424)']], value: 'jsonl' },
    ], 'Export', async (v) => ({ format: v.format, ...await call('GET', query('/v1/audit/export', { ...asked(), format: v.format }), undefined, { raw: true }) }));
    if (!answer)
        return;
    save(answer.blob, `bartizan-audit.${answer.format === 'syslog' ? 'log' : 'jsonl'}`);
    say('good', 'The export is saved by the browser.');
}

start(() => {
    const place = h('div', { class: 'scroll' });
    const live = h('input', { type: 'checkbox', id: 'live', checked: true });
    const spoken = h('p', { class: 'hidden', role: 'status' });
    const node = form([h('div', { class: 'filters' }, filters.map(field))], 'Show', () => load(), {
        before: null, after: [act('Export …', '', () => exportAll(asked)), h('label', { class: 'tick', for: 'live' }, live, 'Live: new entries appear by themselves')],
    });
    const asked = () => given(values(node));
    let rows = null;
    let newest = -1;
    const more = h('p', { class: 'more' });

    const read = async (fields) => (await get(query('/v1/audit', { ...asked(), limit: 50, order: 'newest', ...fields }))).body;
    const note = (items) => items.forEach((e) => {
        newest = Math.max(newest, e.index);
    });
    const offer = (next) => fill(more, next && act('Show older', '', async () => {
        const body = await read({ cursor: next });
        rows.addRows(body.items);
        offer(body.next);
    }));

    async function load() {
        place.setAttribute('aria-busy', 'true');
        try {
            const body = await read({});
            newest = -1;
            note(body.items);
            rows = body.items.length ? table('Audit trail, newest first', columns, body.items) : null;
            fill(place, rows || empty('No entry fits.', 'Widen the filters, or wait: new entries appear by themselves.'));
            offer(body.next);
        } catch (error) {
            if (!error.cancelled)
                fill(place, problemNote(error, error.status === 403 ? null : load));
        } finally {
            place.removeAttribute('aria-busy');
        }
    }

    // Quietly: a poll that fails is tried again, the rows stay.
    async function poll() {
        try {
            if (live.checked && document.visibilityState === 'visible' && !document.querySelector('dialog')) {
                const body = await read({});
                const fresh = body.items.filter((e) => e.index > newest);
                if (fresh.length && !rows)
                    await load();
                else if (fresh.length) {
                    rows.addRows(fresh, true).forEach((row) => row.classList.add('fresh'));
                    note(fresh);
                    fill(spoken, `${fresh.length} new entries.`);
                }
            }
        } catch (error) {
            if (error.status !== 0 && error.status !== 503)
                live.checked = false;
        }
        setTimeout(poll, every);
    }

    const asking = new URLSearchParams(location.search);
    for (const f of filters)
        if (asking.get(f.name))
            node.elements[f.name].value = asking.get(f.name);
    fill(host, h('section', { class: 'card', 'aria-label': 'Filters' }, node), h('section', { class: 'card', 'aria-label': 'Entries' }, spoken, place, more));
    setTimeout(poll, every);
    return load();
});
