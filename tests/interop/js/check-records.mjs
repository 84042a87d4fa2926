// npm web-did-resolver reads a node's DID document over HTTPS, and Digital Bazaar's eddsa-jcs-2022 verifies the node's records
// with the keys in it; both refuse what was changed.
//
// usage: NODE_EXTRA_CA_CERTS=ca.pem check-records.mjs RECORDS KIND…      NDJSON; kinds of which there must be some
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DataIntegrityProof } from '@digitalbazaar/data-integrity';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import { createVerifyCryptosuite } from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import { Resolver } from 'did-resolver';
import { getResolver } from 'web-did-resolver';

const [file, ...kinds] = process.argv.slice(2);
const records = readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));

// Documents come from the nodes alone: DID documents over HTTPS, and the methods in them. Contexts are not needed, because
// JCS signs the document as it is.
const resolver = new Resolver(getResolver());
const documents = new Map();
async function didDocument(did) {
  if (!documents.has(did)) {
    const { didDocument: document, didResolutionMetadata } = await resolver.resolve(did);
    assert.ok(document, `${did}: ${JSON.stringify(didResolutionMetadata)}`);
    assert.equal(document.id, did);
    documents.set(did, document);
  }
  return documents.get(did);
}
async function documentLoader(url) {
  assert.ok(url.startsWith('did:web:'), `nothing else is to be fetched: ${url}`);
  const [did, key] = url.split('#');
  const document = await didDocument(did);
  if (!key) return { contextUrl: null, documentUrl: url, document };
  const method = document.verificationMethod.find(({ id }) => id === url);
  assert.ok(method, `no method ${url}`);
  return { contextUrl: null, documentUrl: url, document: { '@context': 'https://w3id.org/security/multikey/v1', ...method } };
}

const suite = () => new DataIntegrityProof({ cryptosuite: createVerifyCryptosuite() });
const verify = (credential) => vc.verifyCredential({ credential, suite: suite(), documentLoader });

/** A copy with one member changed; `path` leads to it. */
function changed(record, path, value) {
  const copy = structuredClone(record);
  const last = path.at(-1);
  const holder = path.slice(0, -1).reduce((part, name) => part[name], copy);
  assert.notDeepEqual(holder[last], value);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

const last = (text) => text.slice(0, -1) + (text.endsWith('2') ? '3' : '2');
const forgeries = (record) => [
  changed(record, ['validFrom'], '2000-01-01T00:00:00+08:00'),
  changed(record, ['statedBy', 'code'], '000000'),
  changed(record, ['credentialSubject', 'more'], true),
  changed(record, ['termsOfUse', 0, 'version'], 2),
  changed(record, ['statedBy'], undefined),
  changed(record, ['proof', 'created'], '2026-01-01T00:00:00Z'),
  changed(record, ['proof', 'proofValue'], last(record.proof.proofValue)),
  changed(record, ['proof', 'proofPurpose'], 'authentication'),
];

const count = new Map(kinds.map((kind) => [kind, 0]));
let refused = 0;
for (const record of records) {
  const kind = record.type[1];
  const result = await verify(record);
  assert.ok(result.verified, `${record.id}: ${result.error?.errors?.map(String) ?? result.error}`);
  count.set(kind, (count.get(kind) ?? 0) + 1);
  // A few of each kind: all forgeries of all records would only take longer.
  if (count.get(kind) > 3) continue;
  for (const forgery of forgeries(record)) {
    assert.equal((await verify(forgery)).verified, false, `a forgery verifies: ${JSON.stringify(forgery)}`);
    refused += 1;
  }
}
for (const [kind, number] of count) assert.ok(number > 0, `no ${kind}`);

// The two kinds of methods: records are signed by assertion methods, requests by authentication methods, never the other.
let methods = 0;
for (const [did, document] of documents) {
  assert.ok(document.assertionMethod.length > 0 && document.authentication.length > 0);
  assert.ok(!document.assertionMethod.some((id) => document.authentication.includes(id)));
  for (const id of [...document.assertionMethod, ...document.authentication]) {
    const method = document.verificationMethod.find((one) => one.id === id);
    assert.equal(method.controller, did);
    await Ed25519Multikey.from(method);
    methods += 1;
  }
}
const withAnotherKey = records.find((record) => record.proof);
const [did] = withAnotherKey.proof.verificationMethod.split('#');
const request = documents.get(did).authentication[0];
assert.equal((await verify(changed(withAnotherKey, ['proof', 'verificationMethod'], request))).verified, false);
await assert.rejects(didDocument('did:web:localhost%3A1'));

const counts = [...count].map(([kind, number]) => `${number} ${kind}`).join(', ');
console.log(`web-did-resolver: ${documents.size} DID document, ${methods} keys; eddsa-jcs-2022: ${counts} verified, ${refused + 1} forgeries refused`);
