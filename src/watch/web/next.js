// next: where to go after signing in. Only pages of this origin, never an address that somebody put into a link.
export function nextPage(search, origin) {
    const wanted = new URLSearchParams(search).get('next') || '';
    if (!/^\/(account|admin\/[a-z]+)([?#]|$)/.test(wanted))
        return '/account';
    const url = new URL(wanted, origin);
    return url.origin === origin ? url.pathname + url.search + url.hash : '/account';
}
