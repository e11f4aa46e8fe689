// Node: files, timers, workers with shared memory, a server and its clients on the loopback interface.
// Called by the cases `stock/node`; prints the same wherever it runs.
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');
const zlib = require('zlib');
const crypto = require('crypto');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

if (!isMainThread) {
  const cells = new Int32Array(workerData);
  for (let i = 0; i < 10000; i++) Atomics.add(cells, 0, 1);
  Atomics.notify(cells, 1);
  Atomics.wait(cells, 2, 0);
  parentPort.on('message', (n) => {
    if (n < 0) parentPort.close();
    else parentPort.postMessage(n * n);
  });
  parentPort.postMessage('ready');
} else {
  main().catch((error) => {
    console.log('failed:', error);
    process.exitCode = 1;
  });
}

async function workers() {
  const shared = new SharedArrayBuffer(16);
  const cells = new Int32Array(shared);
  const all = Array.from({ length: 3 }, () => new Worker(__filename, { workerData: shared }));
  Atomics.store(cells, 2, 1);
  Atomics.notify(cells, 2);
  const sums = await Promise.all(all.map((worker) => new Promise((resolve, reject) => {
    let sum = 0;
    let got = 0;
    worker.on('error', reject);
    worker.on('message', (value) => {
      if (value === 'ready') {
        for (let i = 0; i < 100; i++) worker.postMessage(i);
        return;
      }
      sum += value;
      if (++got === 100) worker.postMessage(-1);
    });
    worker.on('exit', () => resolve(sum));
  })));
  console.log('workers:', cells[0], sums);
}

async function files(dir) {
  const names = Array.from({ length: 20 }, (_, i) => path.join(dir, `file${i}`));
  await Promise.all(names.map((name, i) => fs.promises.writeFile(name, `content ${i}`)));
  const texts = await Promise.all(names.map((name) => fs.promises.readFile(name, 'utf8')));
  console.log('files:', texts.join('').length, (await fs.promises.readdir(dir)).length);
  const watcher = new Promise((resolve) => {
    const watch = fs.watch(dir, (kind, name) => {
      watch.close();
      resolve(name);
    });
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  fs.unlinkSync(names[3]);
  console.log('watched:', await watcher);
  for (const name of names) fs.rmSync(name, { force: true });
}

async function serve() {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => response.end(`${request.method} ${request.url} ${Buffer.concat(parts).length}`));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const ask = (n) => new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', path: `/${n}` }, (response) => {
      let text = '';
      response.on('data', (part) => { text += part; });
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
    request.end(Buffer.alloc(n * 1000));
  });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => ask(n)));
  console.log('http:', answers.length, answers[0], answers[19]);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));

  const refused = await new Promise((resolve) => {
    net.connect(port, '127.0.0.1').on('error', (error) => resolve(error.code)).on('connect', () => resolve('connected'));
  });
  console.log('then:', refused);
}

async function main() {
  await workers();
  const dir = fs.mkdtempSync('/tmp/node-');
  await files(dir);
  fs.rmdirSync(dir);
  await serve();
  const bytes = Buffer.alloc(100000, 'abc');
  const packed = await new Promise((resolve, reject) => zlib.gzip(bytes, (error, out) => (error ? reject(error) : resolve(out))));
  console.log('zlib:', zlib.gunzipSync(packed).equals(bytes));
  const key = await new Promise((resolve, reject) => crypto.pbkdf2('word', 'salt', 1000, 16, 'sha256', (error, out) => (error ? reject(error) : resolve(out))));
  console.log('crypto:', key.toString('hex'));
  let ticks = 0;
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      if (++ticks === 5) {
        clearInterval(timer);
        resolve();
      }
    }, 2);
  });
  console.log('ticks:', ticks);
  process.on('SIGUSR2', () => {
    console.log('signal');
    process.exit(3);
  });
  process.kill(process.pid, 'SIGUSR2');
  setTimeout(() => console.log('no signal'), 60000);
}
