// traffic: what goes through the gateway now. Numbers need system.read, the last calls audit.read.
import { $, facts, fill, h, name, pill, when } from './dom.js';
import { get } from './api.js';
import { start } from './shell.js';
import { act, dialog, empty, problemNote, table } from './ui.js';

const host = $('#content');
const every = 2000;
const colours = { ok: 'good', denied: 'warn', limited: 'warn', blocked: 'bad', 'upstream-refused': 'warn', 'upstream-error': 'bad', error: 'bad', 'client-gone': '' };
const words = {
    ok: 'answered', denied: 'denied', limited: 'over a limit', blocked: 'blocked by the guard', 'upstream-refused': 'refused upstream',
    'upstream-error': 'failed upstream', error: 'failed here', 'client-gone': 'client went away',
};
const space = 'http://www.w3.org/2000/svg';

const tenths = (n) => n.toFixed(1).replace('.0', '');
const short = (n) => n >= 1e6 ? `${tenths(n / 1e6)} M` : n >= 1e4 ? `${tenths(n / 1e3)} k` : String(Math.round(n));
const money = (n) => n >= 1e4 ? short(n) : n >= 100 ? n.toFixed(2) : String(Number(n.toFixed(4)));
const ms = (n) => n >= 1000 ? `${(n / 1000).toFixed(2)} s` : n >= 100 ? `${Math.round(n)} ms` : `${n.toFixed(1)} ms`;
const sum = (seconds, key) => seconds.reduce((all, s) => all + (s[key] || 0), 0);

function svg(tag, props, ...children) {
    const node = document.createElementNS(space, tag);
    for (const [key, value] of Object.entries(props))
        node.setAttribute(key, String(value));
    node.append(...children);
    return node;
}

// Sixty bars; what they say stands in the label, for those who do not see them.
function bars(caption, seconds, value, unit) {
    const all = seconds.map(value);
    const top = Math.max(...all, 1e-9);
    const now = all.length ? all[all.length - 1] : 0;
    const chart = svg('svg', { class: 'chart', viewBox: '0 0 600 120', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${caption}: now ${unit(now)}, at most ${unit(Math.max(...all, 0))} in the last minute` });
    all.forEach((v, i) => {
        const height = v > 0 ? Math.max(2, 116 * v / top) : 0;
        chart.append(svg('rect', { x: i * 10 + 1, y: 120 - height, width: 8, height, rx: 1 }));
    });
    return h('section', { class: 'card', 'aria-label': caption }, h('div', { class: 'headline' }, h('h2', null, caption), h('span', { class: 'soft' }, `at most ${unit(Math.max(...all, 0))}`)),
        chart, h('p', { class: 'axis soft', 'aria-hidden': 'true' }, h('span', null, '60 s ago'), h('span', null, 'now')));
}

const tile = (label, value, more) => h('div', { class: 'tile' }, h('dt', null, label), h('dd', null, value, more ? h('span', { class: 'soft' }, more) : null));

function tiles(t) {
    const last = t.seconds.slice(-10);
    const requests = sum(t.seconds, 'requests');
    const refused = ['denied', 'limited', 'blocked'].reduce((n, k) => n + (t.outcomes[k] || 0), 0);
    const own = requests ? t.seconds.reduce((n, s) => n + (s.own_ms || 0) * s.requests, 0) / requests : 0;
    return h('dl', { class: 'tiles' },
        tile('Requests', `${(sum(last, 'requests') / 10).toFixed(1)}/s`, `${short(requests)} in a minute`),
        tile('In flight', short(t.in_flight)),
        tile('Duration, median', ms(t.p50_ms), `95 % below ${ms(t.p95_ms)}`),
        tile('Own part', ms(own), 'of each, on average'),
        tile('Tokens a minute', short(sum(t.seconds, 'input_tokens') + sum(t.seconds, 'output_tokens')), `${short(sum(t.seconds, 'input_tokens'))} in · ${short(sum(t.seconds, 'output_tokens'))} out`),
        tile('Cost a minute', sum(t.seconds, 'cost').toFixed(4), 'by the configured prices'),
        tile('Refused', requests ? `${(100 * refused / requests).toFixed(1)} %` : '-', `${refused} in a minute`));
}

function journal(j) {
    if (j.failing)
        return h('div', { class: 'note bad', role: 'alert' }, h('p', null, h('strong', null, 'The audit trail cannot be written. ')), h('p', null, name(j.reason)));
    if (j.lost || j.damaged || j.late)
        return h('div', { class: 'note warn' }, h('p', null, h('strong', null, 'The audit trail has gaps or was late: '), `${j.lost} lost, ${j.damaged} damaged, ${j.late} late. Alarms in the trail say when.`));
    return h('p', { class: 'soft' }, `Audit: ${short(j.written)} entries written, ${short(j.waiting)} waiting, none lost.`);
}

function verdicts(t) {
    const rows = Object.entries(t.outcomes).sort((a, b) => b[1] - a[1]);
    return h('section', { class: 'card', 'aria-label': 'What became of them' }, h('h2', null, 'What became of them'),
        rows.length ? table('Requests of the last minute by what became of them', [['Outcome', ([k]) => pill(words[k] || k, colours[k])], ['Requests', ([, n]) => n, 'n']], rows) : empty('No requests in the last minute.'), journal(t.journal));
}

function resources(t) {
    const full = t.limits.map((l) => ({ ...l, share: l.limit > 0 ? l.used / l.limit : 1 })).sort((a, b) => b.share - a.share).slice(0, 8);
    return h('section', { class: 'card', 'aria-label': 'Upstreams and limits' }, h('h2', null, 'Upstreams and limits'),
        t.circuits.length ? h('ul', { class: 'chips' }, t.circuits.map((c) => h('li', null, name(c.upstream), ' ', pill(c.open ? 'left alone' : 'in use', c.open ? 'bad' : 'good')))) : null,
        full.length ? table('Limits, the fullest first', [['Of', (l) => [name(l.name), h('span', { class: 'soft' }, ` ${l.scope}`)]], ['Limit', (l) => l.kind.replaceAll('_', ' ')], ['Used', (l) => [l.used, l.limit].map(l.kind === 'budget' ? money : short).join(' of '), 'n']], full)
            : empty('No limit is in use.'),
        (t.unreadable || []).map((f) => h('div', { class: 'note bad', role: 'alert' }, h('p', null, h('strong', null, `The file gate/${f} cannot be read. `), 'The log of the daemon says why, and what to do.'))));
}

function details(c) {
    return dialog('Call', (close) => [facts(c), h('div', { class: 'foot' }, h('button', { type: 'button', class: 'main', onclick: () => close() }, 'Close'))], { broad: true });
}

const tokens = (c) => c.input_tokens === undefined ? null : `${short(c.input_tokens)} + ${short(c.output_tokens)}`;
const columns = [
    ['Time', (c) => when(new Date(c.at || 0).toISOString(), true)],
    ['Who', (c) => name(c.name || c.principal || 'nobody')],
    ['Model', (c) => [name(c.model || '-'), h('span', { class: 'soft' }, ` ${c.route || 'no route'}`)]],
    ['Status', (c) => c.status, 'n'],
    ['Verdict', (c) => pill(c.verdict)],
    ['Guard', (c) => c.guard ? pill(c.guard, { passed: 'good', changed: 'warn', blocked: 'bad', 'not-evaluated': 'warn' }[c.guard]) : null],
    ['Duration', (c) => ms((c.took_us || 0) / 1000), 'n'],
    ['Tokens', tokens, 'n'],
    ['', (c) => act('Details', `of call ${c.request || ''}`, () => details(c))],
];

start((me) => {
    const may = (action) => !me?.may || me.may.includes(action);
    const live = h('input', { type: 'checkbox', id: 'live', checked: true });
    const numbers = h('div', null);
    const calls = h('div', { class: 'scroll' });
    let shown = '';

    async function loadNumbers() {
        const t = (await get('/v1/traffic')).body;
        fill(numbers, tiles(t), h('div', { class: 'pair' }, bars('Requests a second', t.seconds, (s) => s.requests, short), bars('Duration, 95 %', t.seconds, (s) => s.p95_ms || 0, ms)),
            h('div', { class: 'pair uneven' }, verdicts(t), resources(t)));
    }

    // Rows are drawn anew only when there are new ones: a focus in them stays.
    async function loadCalls() {
        // They come worker by worker.
        const items = (await get('/v1/traffic/calls')).body.items.sort((a, b) => (b.at || 0) - (a.at || 0)).slice(0, 20);
        const key = items.map((c) => c.request).join();
        if (key === shown && calls.firstChild)
            return;
        shown = key;
        fill(calls, items.length ? table('Last calls, newest first', columns, items) : empty('No calls since the daemon started.'));
    }

    const load = () => Promise.all([loadNumbers(), may('audit.read') ? loadCalls() : null]);

    async function first() {
        try {
            await load();
        } catch (error) {
            if (!error.cancelled)
                fill(numbers, problemNote(error, error.status === 403 ? null : first));
        }
    }

    // Quietly: what fails is tried again, what is shown stays. Not under a dialog, nor while somebody is at a row.
    async function poll() {
        try {
            if (live.checked && document.visibilityState === 'visible' && !document.querySelector('dialog') && !calls.contains(document.activeElement))
                await load();
        } catch (error) {
            if (error.status !== 0 && error.status !== 503)
                live.checked = false;
        }
        setTimeout(poll, every);
    }

    fill(host, h('p', null, h('label', { class: 'tick', for: 'live' }, live, 'Live: follows by itself')), numbers,
        may('audit.read') ? h('section', { class: 'card', 'aria-label': 'Last calls' }, h('h2', null, 'Last calls'), calls) : null);
    setTimeout(poll, every);
    return first();
});
