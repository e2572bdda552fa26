// webauthn: passkeys between the server's JSON (binary as base64url) and the browser's API.
export const supported = () => Boolean(window.PublicKeyCredential && navigator.credentials);

export function bytes(text) {
    const raw = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

export function text(buffer) {
    let raw = '';
    for (const byte of new Uint8Array(buffer))
        raw += String.fromCharCode(byte);
    return btoa(raw).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

const ids = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));

// What the browser says is not for people.
const words = {
    NotAllowedError: 'The passkey was not used: it was cancelled, took too long, or is not on this device.',
    InvalidStateError: 'This device already holds a passkey for your account.',
    SecurityError: 'Passkeys of this account do not belong to this address. Check the address in the browser.',
    NotSupportedError: 'This device cannot make a passkey of a kind that is accepted here.',
    ConstraintError: 'This device cannot check that it is you (no PIN, fingerprint or face is set up).',
};

async function run(call) {
    try {
        return await call();
    } catch (error) {
        if (error.name === 'AbortError')
            throw error;
        const told = new Error(words[error.name] || 'The passkey did not work: ' + error.message);
        told.name = error.name;
        throw told;
    }
}

function outer(c, response) {
    return {
        id: c.id, rawId: text(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment ?? undefined,
        clientExtensionResults: c.getClientExtensionResults(), response,
    };
}

export async function create(options) {
    const publicKey = {
        ...options, challenge: bytes(options.challenge), user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: ids(options.excludeCredentials),
    };
    const c = await run(() => navigator.credentials.create({ publicKey }));
    return outer(c, {
        clientDataJSON: text(c.response.clientDataJSON), attestationObject: text(c.response.attestationObject),
        transports: c.response.getTransports ? c.response.getTransports() : [],
    });
}

export async function assert(options, more = {}) {
    const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: ids(options.allowCredentials) };
    const c = await run(() => navigator.credentials.get({ publicKey, ...more }));
    const r = c.response;
    return outer(c, {
        clientDataJSON: text(r.clientDataJSON), authenticatorData: text(r.authenticatorData), signature: text(r.signature),
        userHandle: r.userHandle ? text(r.userHandle) : undefined,
    });
}
