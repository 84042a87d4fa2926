// npm ajv (2020-12) accepts and refuses what our validator accepts and refuses by schema.
//
// usage: check-schemas.mjs SCHEMAS CORPUS      schemas/json, and NDJSON of {schema, from, document, valid}
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';

const [folder, corpus] = process.argv.slice(2);

// In strict mode a schema with a misspelt keyword is refused. Types and required members are stated beside each other, not
// in each branch of a schema, which three of its options would ask for.
const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, strictTuples: false, allowUnionTypes: true });
const ids = new Map();
for (const name of readdirSync(folder)) {
  const file = join(folder, name, 'v1.schema.json');
  if (!existsSync(file)) continue;
  const schema = JSON.parse(readFileSync(file, 'utf8'));
  ajv.addSchema(schema);
  ids.set(name, schema.$id);
}
const validators = new Map([...ids].map(([name, id]) => [name, ajv.getSchema(id)]));

const count = { true: 0, false: 0 };
let differ = 0;
for (const line of readFileSync(corpus, 'utf8').trimEnd().split('\n')) {
  const { schema, from, document, valid } = JSON.parse(line);
  const validator = validators.get(schema);
  const theirs = validator(document);
  count[theirs] += 1;
  if (theirs !== valid) {
    differ += 1;
    if (differ <= 5) {
      console.error(`${from}: we say ${valid}, they say ${theirs}`, validator.errors?.[0], JSON.stringify(document).slice(0, 2000));
    }
  }
}
assert.equal(differ, 0, `ajv disagrees on ${differ} documents`);
assert.ok(count.true + count.false >= 5000 && count.true >= 500 && count.false >= 500, `too few: ${JSON.stringify(count)}`);
console.log(`ajv: ${validators.size} schemas, ${count.true} documents accepted by both, ${count.false} refused by both`);
