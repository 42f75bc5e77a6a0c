import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { defaultFilter, LogRoot, silentLogger } from '../../log/logger.ts';
import { emptySnapshot } from '../local-config/mesh-snapshot.ts';
import { adminPages } from './admin-page.ts';
import { type Answerer, type HttpListener, listenHttp } from './http-listener.ts';
import { metricsPages } from './metrics-page.ts';
import { Readiness } from './readiness.ts';
import { readinessPages } from './readiness-page.ts';

function serve(answer: Answerer): Promise<HttpListener> {
  return listenHttp({ component: 'test', hosts: ['127.0.0.1'], port: 0, answer, logger: silentLogger });
}

/** Everything the server sends until it ends, for the bytes given; our side is ended with `half` at once. */
function talk(port: number, bytes: string, half = false): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let got = '';
    socket.on('data', (chunk: Buffer) => (got += chunk.toString('latin1')));
    socket.on('end', () => {
      socket.destroy();
      resolve(got.replace(/date: [^\r]*\r\n/i, ''));
    });
    socket.on('error', reject);
    if (half) socket.end(bytes);
    else socket.write(bytes);
  });
}

const get = (path: string, method = 'GET', more = ''): string =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n${more}Connection: close\r\n\r\n`;

test('§14: readiness, byte for byte', async () => {
  const readiness = new Readiness(['proxy', 'workload proxy manager'], silentLogger);
  let alive = true;
  let stuck: number[] = [];
  const health = { ping: () => Promise.resolve(alive), stuck: () => stuck };
  await using server = await serve(readinessPages(readiness, health));
  readiness.complete('proxy');
  const text = 'not ready, pending: workload proxy manager\n';
  expect(await talk(server.port, get('/healthz/ready'))).toBe(
    `HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 43\r\n\r\n${text}`,
  );
  readiness.complete('workload proxy manager');
  const ready = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 6\r\n\r\nready\n';
  expect(await talk(server.port, get('/healthz/ready'))).toBe(ready);
  expect(await talk(server.port, get('/healthz/ready'), true)).toBe(ready);
  expect(await talk(server.port, get('/healthz/ready', 'POST'))).toBe(
    'HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  );
  expect(await talk(server.port, get('/healthz/ready', 'HEAD'))).toBe(
    'HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\n\r\n',
  );
  expect(await talk(server.port, get('/'))).toBe(
    'HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  );
  expect(await talk(server.port, 'nonsense\r\n\r\n')).toBe(
    'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
  );
  alive = false;
  expect(await talk(server.port, get('/healthz/ready'))).toContain('not ready, pending: data plane\n');
  stuck = [1];
  expect(await talk(server.port, get('/healthz/ready'))).toMatch(
    /^HTTP\/1\.1 503 Service Unavailable\r\n[^]*not ready, pending: data thread 1 \(stuck\)\n$/,
  );
  stuck = [];
  alive = true;
  readiness.reopen('workload proxy manager');
  expect(await talk(server.port, get('/healthz/ready'))).toContain(text);
});

test('§13: a header too long is refused; one that does not end gets nothing', async () => {
  await using server = await serve(() => ({ status: 200 }));
  expect(await talk(server.port, get('/', 'GET', `X: ${'x'.repeat(9000)}\r\n`))).toMatch(/^HTTP\/1.1 431 /);
  expect(await talk(server.port, 'GET / HTTP/1.1\r\n')).toBe('');
}, 30_000);

test('a fault while answering ends that connection only', async () => {
  let fault = true;
  await using server = await serve(() => (fault ? Promise.reject(new Error('x')) : { status: 204 }));
  await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow('fetch failed');
  fault = false;
  expect((await fetch(`http://127.0.0.1:${server.port}/`)).status).toBe(204);
});

test('a port that is taken names the server and the remedy', async () => {
  await using server = await serve(() => ({ status: 200 }));
  await expect(
    listenHttp({
      component: 'stats',
      hosts: ['127.0.0.1'],
      port: server.port,
      answer: () => ({ status: 200 }),
      logger: silentLogger,
    }),
  ).rejects.toMatchObject({
    code: 'ZTUNNEL_LISTEN',
    message: `stats server: bind 127.0.0.1 port ${server.port}: EADDRINUSE (is another ztunnel running on this node?)`,
  });
});

test('§10: metrics types and encodings', async () => {
  await using server = await serve(metricsPages(() => Promise.resolve('# EOF\n')));
  expect(await talk(server.port, get('/metrics', 'POST'))).toBe(
    'HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nvary: accept-encoding\r\nconnection: close\r\ncontent-length: 6\r\n\r\n# EOF\n',
  );
  expect(
    await talk(server.port, get('/stats/prometheus', 'GET', 'Accept: application/openmetrics-text\r\n')),
  ).toContain('content-type: application/openmetrics-text;charset=utf-8;version=1.0.0\r\n');
  expect(await talk(server.port, get('/nosuch'))).toMatch(/^HTTP\/1.1 404 /);
  const body = async (encoding: string): Promise<Buffer> => {
    const answer = await talk(server.port, get('/metrics', 'GET', `Accept-Encoding: ${encoding}\r\n`));
    return Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1');
  };
  expect(gunzipSync(await body('gzip')).toString()).toBe('# EOF\n');
  expect(brotliDecompressSync(await body('gzip;q=0.5, br')).toString()).toBe('# EOF\n');
  expect((await body('gzip;q=0, identity')).toString()).toBe('# EOF\n');
});

test('§13: admin', async () => {
  const initialFilter = defaultFilter();
  const log = new LogRoot({
    format: 'plain',
    filter: initialFilter,
    sink: { write: () => undefined, flush: () => Promise.resolve() },
  });
  let quits = 0;
  const filters: string[] = [];
  const pages = adminPages({
    log,
    initialFilter,
    filterChanged: (filter) => void filters.push(filter.toString()),
    quit: () => quits++,
    dump: () => Promise.resolve('{}'),
    diagnoses: { threads: 0, examine: () => Promise.resolve({ failure: 'no threads' }) },
    denials: () => Promise.resolve({ found: [], silent: [] }),
    policies: () => ({ mesh: emptySnapshot, localConfig: undefined, unknownPolicy: 'deny' }),
  });
  await using server = await serve(pages);
  const url = `http://127.0.0.1:${server.port}`;
  const post = async (path: string): Promise<string> => (await fetch(`${url}${path}`, { method: 'POST' })).text();
  expect((await fetch(`${url}/`)).headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect((await fetch(`${url}/nosuch`)).status).toBe(404);
  expect((await fetch(`${url}/debug`)).status).toBe(404);
  expect(await (await fetch(`${url}/debug/denials`)).text()).toBe('no connection has been denied\n');
  expect(await (await fetch(`${url}/debug/policies?format=json`)).json()).toMatchObject({ policies: [] });
  expect((await fetch(`${url}/debug/policies?format=xml`)).status).toBe(400);
  expect((await fetch(`${url}/quitquitquit`)).status).toBe(405);
  expect(quits).toBe(0);
  expect(await post('/logging')).toBe('current log level is hickory_server::server=off,info\n');
  expect(await post('/logging?level=debug')).toBe('current log level is hickory_server::server=off,debug\n');
  expect(await post('/logging?level=access=warn')).toBe(
    'current log level is hickory_server::server=off,access=warn,debug\n',
  );
  expect(await post('/logging?level=loud')).toMatch(/^Invalid level provided: /);
  expect(await post('/logging?reset&level=loud')).toMatch(/^Invalid level provided: /);
  expect(await post('/logging')).toContain('access=warn,debug\n');
  expect(await post('/logging?reset')).toBe('current log level is hickory_server::server=off,info\n');
  expect(filters.map((filter) => filter.replace('hickory_server::server=off,', ''))).toEqual([
    'debug',
    'access=warn,debug',
    'info',
  ]);
  expect((await fetch(`${url}/logging`)).status).toBe(405);
  expect(await post('/quitquitquit')).toBe('shutdown now\n');
  expect(quits).toBe(1);
});
