/** A library that does not what it should, by injection below the reactor: its test of itself says so, and never hangs. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Breaks what koffi has loaded in one way after the other, and prints which engine was chosen, and why. */
const SCRIPT = `
import { createRequire } from 'node:module';
import { chooseEngine } from 'CHOOSE_ENGINE';
const koffi = createRequire(import.meta.resolve('@ambientmesh/reactor'))('koffi');
const { load } = koffi;
let broken = {};
koffi.load = (...paths) => {
  if (broken.load) throw new Error('no such file');
  const library = load(...paths);
  const func = (name, ...rest) => {
    if (broken.missing === name) throw new Error('not found');
    const original = library.func(name, ...rest);
    return (...values) => (name in broken ? broken[name](original, ...values) : original(...values));
  };
  return { ...library, func };
};
const CASES = {
  'koffi cannot be loaded': { load: true },
  'a function of OpenSSL is missing': { missing: 'SSL_key_update' },
  'a function of libc is missing': { missing: 'epoll_wait' },
  'epoll tells of nothing': { epoll_wait: () => 0 },
  'epoll is refused': { epoll_create1: () => -1 },
  'write takes all and sends nothing': { write: (original, descriptor, address, length) => length },
  'read changes nothing of the memory': { read: (original, descriptor, address, length) => length },
  'handshakes never get done': { SSL_do_handshake: () => -1 },
  'OpenSSL has no memory for connections': { SSL_new: () => 0 },
  'OpenSSL decrypts to zeros': { EVP_CipherUpdate: () => 1 },
  'OpenSSL takes every record for authentic': { EVP_CipherFinal_ex: (original, ...args) => (original(...args), 1) },
  'OpenSSL has no memory for keys': { EVP_CIPHER_CTX_new: () => 0 },
  'OpenSSL takes no key': { EVP_CipherInit_ex: () => 0 },
  'every chain is refused': { X509_verify_cert: () => 0 },
  'no range of memory': { mmap: () => Number.MAX_SAFE_INTEGER + 2 },
  'OpenSSL decrypts to zeros, and makes the records': { SSL_read: (original, ssl, address, length) => length },
  'nothing is broken': {},
};
const outcome = {};
for (const [name, functions] of Object.entries(CASES)) {
  broken = functions;
  const { name: engine, reason, engine: made } = chooseEngine('reactor', {
    slabBytes: 16777216,
    descriptorLimit: 1000,
    records: name.endsWith('makes the records') ? 'openssl' : 'own',
  });
  broken = {};
  outcome[name] = { engine, reason };
  made.close?.();
}
process.stdout.write(JSON.stringify(outcome));
process.exit(0);
`;

/** What is broken, and what is said of it. */
const REASONS: Readonly<Record<string, string>> = {
  'koffi cannot be loaded': 'reactor: koffi cannot be loaded, is its binary for this platform installed?',
  'a function of OpenSSL is missing': 'records: this node binary has no function SSL_key_update',
  'a function of libc is missing': 'reactor: this node binary has no function epoll_wait',
  'epoll tells of nothing': 'wake-up: the number of events is 0 instead of 1',
  'epoll is refused': 'reactor: epoll_create1: ',
  'write takes all and sends nothing': 'pipe: readv is -11 instead of 12345',
  'read changes nothing of the memory': 'pipe: reading an empty pipe is 12345 instead of -11',
  'handshakes never get done': 'tls: ',
  'OpenSSL has no memory for connections': 'tls: ENOMEM: OpenSSL has no memory for a connection',
  'OpenSSL decrypts to zeros': 'records: AES-128 makes a wrong record',
  'OpenSSL takes every record for authentic': 'records: AES-128 opens a record twice',
  'OpenSSL has no memory for keys': 'records: AES-128 makes a wrong record',
  'OpenSSL takes no key': 'records: AES-128 makes a wrong record',
  'OpenSSL decrypts to zeros, and makes the records': 'tls: ',
  'every chain is refused': 'tls: TLS: invalid peer certificate: ',
  'no range of memory': 'reactor: no range of ',
};
const PATIENCE = { timeout: 120_000 };
const MOST_MS = 100_000;

test('whatever is broken below, the node engine takes its place, with the reason', PATIENCE, () => {
  const script = SCRIPT.replace('CHOOSE_ENGINE', new URL('./choose-engine.ts', import.meta.url).href);
  const flags = ['--conditions=@ambientmesh/source', '--input-type=module', '-e', script];
  const cwd = new URL('.', import.meta.url);
  const outcome: unknown = JSON.parse(
    execFileSync(process.execPath, flags, { encoding: 'utf8', cwd, timeout: MOST_MS }),
  );
  const rows = Object.entries(REASONS).map(([name, reason]) => [
    name,
    {
      engine: 'node',
      reason: expect.stringMatching(new RegExp(`^self-test, ${reason.replaceAll('?', String.raw`\?`)}`)),
    },
  ]);
  expect(outcome).toEqual({ ...Object.fromEntries(rows), 'nothing is broken': { engine: 'reactor', reason: '' } });
});
