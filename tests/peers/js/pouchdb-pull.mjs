// Replicates a database from a URL into a new one, once.
//
// usage: pouchdb-pull.mjs URL FOLDER BATCH      prints how many documents are held and the seconds as JSON
import PouchDB from 'pouchdb';

const [url, folder, batch] = process.argv.slice(2);
const database = new PouchDB(folder);
await database.info();
const start = process.hrtime.bigint();
const result = await database.replicate.from(url, { batch_size: Number(batch) });
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
if (!result.ok || result.doc_write_failures > 0) throw new Error(JSON.stringify(result));
const { doc_count: held, adapter } = await database.info();
console.log(JSON.stringify({
  held,
  seconds,
  how: `PouchDB ${PouchDB.version}, ${adapter}, plain HTTP, batches of ${batch}, not synced to disk`,
}));
await database.close();
process.exit(0);
