// validate.js SCHEMA DOCUMENT...: exit 0 when all are valid, 1 with the errors, 77 when ajv is not installed.
'use strict';
const fs = require('fs');
let Ajv;
try {
  Ajv = require('ajv');
} catch (e) {
  process.exit(77);
}
const [schemaPath, ...documents] = process.argv.slice(2);
const schema = JSON.parse(fs.readFileSync(schemaPath, 'utf8'));
// The SARIF schema is draft 4 ("id"), ours draft 7 ("$id").
const old = /draft-04/.test(schema.$schema || '');
const ajv = new Ajv({ schemaId: 'auto', allErrors: true, format: 'full', logger: false });
if (old)
  ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
const validate = ajv.compile(schema);
let bad = 0;
for (const path of documents) {
  if (!validate(JSON.parse(fs.readFileSync(path, 'utf8')))) {
    bad = 1;
    console.error(path + ': ' + ajv.errorsText(validate.errors, { separator: '\n' }));
  }
}
process.exit(bad);
