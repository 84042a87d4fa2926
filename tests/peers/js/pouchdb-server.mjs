// Serves records as documents of a PouchDB database, over HTTP on loopback.
//
// usage: pouchdb-server.mjs RECORDS FOLDER READY      NDJSON; READY is written with the URL when all are stored
import { createReadStream, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import express from 'express';
import expressPouchDB from 'express-pouchdb';
import PouchDB from 'pouchdb';

/** Documents stored at a time. */
const BATCH = 1000;

const [records, folder, ready] = process.argv.slice(2);
const Served = PouchDB.defaults({ prefix: `${folder}/` });
const database = new Served('records');
let batch = [];
const store = async () => {
  for (const result of await database.bulkDocs(batch)) {
    if (result.error) throw new Error(JSON.stringify(result));
  }
  batch = [];
};
for await (const line of createInterface({ input: createReadStream(records) })) {
  const record = JSON.parse(line);
  batch.push({ _id: record.id, ...record });
  if (batch.length === BATCH) await store();
}
if (batch.length > 0) await store();

const app = express();
app.use(expressPouchDB(Served, { mode: 'minimumForPouchDB', inMemoryConfig: true, logPath: `${folder}/http.log` }));
const server = app.listen(0, '127.0.0.1', () => {
  writeFileSync(`${ready}.new`, `http://127.0.0.1:${server.address().port}/records\n`);
  renameSync(`${ready}.new`, ready);
});
