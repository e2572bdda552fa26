// client: raw https requests, with headers that no browser would let a page set. And the codes of an authenticator app.
'use strict';
const crypto = require('crypto');
const https = require('https');

// { method, headers, body (object: JSON) } -> { status, headers, text, json }
function request(base, path, { method = 'GET', headers = {}, body } = {}) {
    const url = new URL(path, base);
    const data = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((done, fail) => {
        const req = https.request({
            host: '127.0.0.1', port: url.port, servername: url.hostname === 'localhost' ? 'localhost' : undefined, path: url.pathname + url.search, method, rejectUnauthorized: false, agent: false,
            headers: { Host: url.host, ...(data === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(data) }), ...headers },
        }, (answer) => {
            const parts = [];
            answer.on('data', (d) => parts.push(d));
            answer.on('end', () => {
                const text = Buffer.concat(parts).toString();
                let json = null;
                try {
                    json = JSON.parse(text);
                } catch { /* not JSON */ }
                done({ status: answer.statusCode, headers: answer.headers, text, json });
            });
        });
        req.on('error', fail);
        req.end(data ?? undefined);
    });
}

// RFC 6238: SHA-1, 30 seconds, six digits.
function totp(secret, at = Date.now()) {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
    const bits = [...secret.replace(/[\s=-]/g, '').toUpperCase()].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
    const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
    const mac = crypto.createHmac('sha1', key).update(counter).digest();
    const offset = mac[19] & 15;
    return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1000000).padStart(6, '0');
}

// A code works once: one not used yet, of the steps that the server accepts (the one before, this one, the next).
class Authenticator {
    constructor(secret) {
        this.secret = secret;
        this.last = 0;
    }

    async code() {
        for (;;) {
            const now = Math.floor(Date.now() / 30000);
            const step = Math.max(this.last + 1, now - 1);
            if (step <= now + 1) {
                this.last = step;
                return totp(this.secret, step * 30000);
            }
            await new Promise((wait) => setTimeout(wait, 500));
        }
    }
}

// RFC 6238, appendix B: the tests' own codes must be right before they are believed.
const vector = totp('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 1111111109000);
if (vector !== '081804')
    throw new Error('totp: ' + vector);

module.exports = { request, totp, Authenticator };
