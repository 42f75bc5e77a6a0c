/**
 * Stands in for curl in a pod where the machine has none: `node http-client.ts [-s] [-S] [-f] [-i] [-X METHOD] [-H HEADER]
 * [-d DATA] [-m SECONDS] [-o FILE] URL`. Exit codes are curl's: 2 usage, 6 no host, 7 no connection, 22 status >= 400
 * with -f, 28 time-out, 56 broken.
 */
import { createWriteStream } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { argv, exit, stderr, stdout } from 'node:process';
import { pipeline } from 'node:stream';
import { parseArgs } from 'node:util';

const EXIT_BY_CODE: Readonly<Record<string, number>> = {
  ENOTFOUND: 6,
  EAI_AGAIN: 6,
  ECONNREFUSED: 7,
  EHOSTUNREACH: 7,
  ENETUNREACH: 7,
  ETIMEDOUT: 28,
};

const { values: options, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: {
    silent: { type: 'boolean', short: 's' },
    'show-error': { type: 'boolean', short: 'S' },
    fail: { type: 'boolean', short: 'f' },
    include: { type: 'boolean', short: 'i' },
    request: { type: 'string', short: 'X' },
    header: { type: 'string', short: 'H', multiple: true },
    data: { type: 'string', short: 'd' },
    'data-binary': { type: 'string' },
    'max-time': { type: 'string', short: 'm' },
    output: { type: 'string', short: 'o' },
  },
});
const [target] = positionals;
if (target === undefined) end(2, 'want a URL');
const url = new URL(target.includes('://') ? target : `http://${target}`);
const body = options.data ?? options['data-binary'];
const headers: Record<string, string> = { 'user-agent': 'lab-client', accept: '*/*' };
for (const header of options.header ?? []) {
  const colon = header.indexOf(':');
  headers[header.slice(0, colon)] = header.slice(colon + 1).trim();
}
const outgoing = request(url, { method: options.request ?? (body === undefined ? 'GET' : 'POST'), headers }, receive);
outgoing.on('error', (error: NodeJS.ErrnoException) => end(EXIT_BY_CODE[error.code ?? ''] ?? 56, error.message));
outgoing.end(body);
if (options['max-time'] !== undefined)
  setTimeout(() => end(28, 'timed out'), Number(options['max-time']) * 1_000).unref();

function receive(response: IncomingMessage): void {
  const status = response.statusCode ?? 0;
  if (options.fail === true && status >= 400) end(22, `the server said ${status}`);
  if (options.include === true) {
    const lines = [`HTTP/1.1 ${status} ${response.statusMessage ?? ''}`];
    for (let index = 0; index + 1 < response.rawHeaders.length; index += 2)
      lines.push(`${response.rawHeaders[index]}: ${response.rawHeaders[index + 1]}`);
    stdout.write(`${lines.join('\r\n')}\r\n\r\n`);
  }
  const sink = options.output === undefined ? stdout : createWriteStream(options.output);
  pipeline(response, sink, (error) => {
    if (error) end(56, error.message);
    exit(0);
  });
}

function end(code: number, message: string): never {
  if (options.silent !== true || options['show-error'] === true) stderr.write(`lab client: (${code}) ${message}\n`);
  exit(code);
}
