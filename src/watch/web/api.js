// api: one way to the server. Errors are Problem; a request that needs a fresh second factor asks for it and goes again.
import { span } from './dom.js';

const asTitle = {
    0: 'The server cannot be reached', 400: 'Something in the form is not right', 401: 'You are not signed in', 403: 'You may not do this',
    404: 'There is no such thing', 409: 'This cannot be done now', 412: 'Somebody else changed this in the meantime',
    413: 'That is too much', 429: 'Too many attempts', 503: 'The server is busy', 507: 'The disk of the server is full',
};

export class Problem extends Error {
    constructor(status, body, wait) {
        super(body.detail || body.title || asTitle[status] || `The server answered ${status}`);
        this.status = status;
        this.title = asTitle[status] || body.title || 'It did not work';
        this.needs = body.needs;
        this.body = body;
        this.wait = wait;
        this.cancelled = false;
    }

    // What happened and what to do, for people.
    get advice() {
        if (this.status === 0)
            return 'Check the connection, then try again. Nothing was changed by this attempt as far as this page knows.';
        if (this.status === 412)
            return 'Nothing was saved. Look at the newest state and make your change again.';
        if (this.status === 429 && this.wait)
            return `Wait ${span(this.wait)}, then try again. Your account is not lost.`;
        if (this.status === 503)
            return this.wait ? `Try again in ${span(this.wait)}.` : 'Try again in a moment.';
        if (this.status === 507)
            return 'Nothing was changed. Ask an operator to make room on the server.';
        if (this.status === 403 && !this.needs && !this.proof)
            return 'If you need this, ask an administrator for the role, or ask for it for a while on your account page.';
        return '';
    }
}

export class Cancelled extends Problem {
    constructor() {
        super(0, { title: 'Cancelled', detail: 'Cancelled. Nothing was changed.' });
        this.cancelled = true;
    }
}

const hooks = { stepUp: null, signedOut: null, busy: () => {} };
export function setHooks(more) {
    Object.assign(hooks, more);
}

let running = 0;
function busy(change) {
    running += change;
    hooks.busy(running > 0);
}

async function once(method, path, body, options) {
    const headers = { Accept: 'application/json' };
    const init = { method, headers, credentials: 'same-origin', cache: 'no-store', redirect: 'error', signal: options.signal };

    if (method !== 'GET')
        headers['X-Bartizan-CSRF'] = '1';
    if (method === 'POST')
        headers['Idempotency-Key'] = crypto.randomUUID();
    if (options.etag)
        headers['If-Match'] = options.etag;
    if (body !== undefined || method === 'POST' || method === 'PUT') {
        headers['Content-Type'] = 'application/json';
        init.body = JSON.stringify(body ?? {});
    }
    let answer;
    busy(1);
    try {
        answer = await fetch(path, init);
        if (options.raw && answer.ok)
            return { status: answer.status, blob: await answer.blob() };
        const text = await answer.text();
        let data = {};
        if (text && /json/.test(answer.headers.get('Content-Type') || ''))
            data = JSON.parse(text);
        if (!answer.ok)
            throw new Problem(answer.status, data, Number(answer.headers.get('Retry-After')) || 0);
        return { status: answer.status, body: data, etag: answer.headers.get('ETag') };
    } catch (error) {
        if (error instanceof Problem || error.name === 'AbortError')
            throw error;
        throw new Problem(0, { detail: navigator.onLine ? 'The server did not answer.' : 'This device is offline.' });
    } finally {
        busy(-1);
    }
}

// options: etag, signal, raw (a Blob), open (401 is an answer, not a reason to leave the page)
export async function call(method, path, body, options = {}) {
    try {
        return await once(method, path, body, options);
    } catch (error) {
        error.proof = Boolean(options.proof || options.open); // a wrong code is not a missing role
        if (error.status === 401 && !options.open && hooks.signedOut) {
            hooks.signedOut();
            throw new Cancelled();
        }
        if (error.needs !== 'step-up' || !hooks.stepUp)
            throw error;
        await hooks.stepUp(error);
        return once(method, path, body, options);
    }
}

export const get = (path, options) => call('GET', path, undefined, options);
export const post = (path, body, options) => call('POST', path, body, options);
export const put = (path, body, options) => call('PUT', path, body, options);
export const patch = (path, body, options) => call('PATCH', path, body, options);
export const del = (path, options) => call('DELETE', path, undefined, options);

// url`/v1/users/${id}`: what is put in is escaped.
export const url = (parts, ...values) => parts.reduce((all, part, i) => all + encodeURIComponent(values[i - 1]) + part);

export function query(path, fields) {
    const q = new URLSearchParams();
    for (const [name, value] of Object.entries(fields))
        if (value !== '' && value !== null && value !== undefined)
            q.set(name, value);
    const text = q.toString();
    return text ? path + '?' + text : path;
}

// Every item of a list; at most `max`, so that a page cannot be made to read for ever.
export async function all(path, max = 1000) {
    const items = [];
    let next = null;
    do {
        const { body } = await get(next ? query(path.split('?')[0], { ...Object.fromEntries(new URLSearchParams(path.split('?')[1])), cursor: next }) : path);
        items.push(...(body.items || []));
        next = body.next;
    } while (next && items.length < max);
    return items;
}
