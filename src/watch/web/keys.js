// keys: every API key.
import { $, fill } from './dom.js';
import { keySection } from './keylist.js';
import { start } from './shell.js';

start(() => {
    fill($('#content'), keySection({ path: '/v1/keys', none: 'No keys yet.' }));
});
