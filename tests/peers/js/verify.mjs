// Digital Bazaar's eddsa-jcs-2022 verifies records on one core, and refuses forgeries.
//
// usage: verify.mjs vc|proof RECORDS FORGERIES DID      NDJSON, NDJSON, the issuer's DID document; prints counts and seconds
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DataIntegrityProof } from '@digitalbazaar/data-integrity';
import { createVerifyCryptosuite } from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as vc from '@digitalbazaar/vc';
import jsigs from 'jsonld-signatures';

/** Records under way at a time: enough that waiting for a digest costs nothing. */
const CHUNK = 64;

const [what, records, forgeries, did] = process.argv.slice(2);
const lines = (file) => readFileSync(file, 'utf8').trimEnd().split('\n');
const controller = JSON.parse(readFileSync(did, 'utf8'));
const methods = new Map(controller.verificationMethod.map((method) => [
  method.id,
  { contextUrl: null, documentUrl: method.id, document: { '@context': 'https://w3id.org/security/multikey/v1', ...method } },
]));
// What a verifier would have cached: nothing is fetched while it is measured.
async function documentLoader(url) {
  const document = url === controller.id ? { contextUrl: null, documentUrl: url, document: controller } : methods.get(url);
  assert.ok(document, `nothing else is to be fetched: ${url}`);
  return document;
}

const suite = new DataIntegrityProof({ cryptosuite: createVerifyCryptosuite() });
// `vc` verifies a credential, its form included; `jsonld-signatures`, on which it stands, the proof of any document.
const ways = {
  vc: (credential) => vc.verifyCredential({ credential, suite, documentLoader }),
  proof: (document) => jsigs.verify(document, { suite, purpose, documentLoader }),
};
const purpose = new jsigs.purposes.AssertionProofPurpose({ controller });
const verify = async (line) => ways[what](JSON.parse(line));

let refused = 0;
for (const forgery of lines(forgeries)) {
  assert.equal((await verify(forgery)).verified, false, `a forgery verifies: ${forgery}`);
  refused += 1;
}

const all = lines(records);
// Once without counting, so that what the compiler makes of it is measured.
for (const line of all.slice(0, 2000)) await verify(line);

const [cpu, wall] = [process.cpuUsage(), process.hrtime.bigint()];
let verified = 0;
for (let at = 0; at < all.length; at += CHUNK) {
  for (const result of await Promise.all(all.slice(at, at + CHUNK).map(verify))) {
    assert.ok(result.verified, `${result.error?.errors?.map(String) ?? result.error}`);
    verified += 1;
  }
}
const spent = process.cpuUsage(cpu);
console.log(JSON.stringify({
  verified,
  refused,
  cpu: (spent.user + spent.system) / 1e6,
  wall: Number(process.hrtime.bigint() - wall) / 1e9,
  how: `parses and verifies the ${what === 'vc' ? 'proof and the form of a credential' : 'proof'}; Node ${process.versions.node} on one core`,
}));
