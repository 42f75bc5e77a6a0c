import { once } from 'node:events';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { isRefusal, TrustBundle, tlsOptions, verifyPeer } from '@ambientmesh/spiffe';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { der, sequence } from './testing/der.ts';
import {
  authority,
  authorityKeyId,
  DAY,
  ECDSA_SHA1,
  ecKeys,
  extension,
  type Forged,
  type ForgedSpec,
  forgeAuthority,
  forgeLeaf,
  ID,
  keyUsage,
  notAuthority,
  purposes,
  rsaKeys,
  san,
  subjectKeyId,
} from './testing/forge.ts';

// OpenSSL takes the time from the system; the forged lifetimes do, too, here.
const now = Date.now();
const life = { notBefore: now - DAY, notAfter: now + DAY };
const root = forgeAuthority({ name: 'root', ...life });
const stranger = forgeAuthority({ name: 'stranger', ...life });
const namesake = forgeAuthority({ name: 'root', ...life });
const middle = forgeAuthority({ name: 'middle', by: root, ...life });
const serverLeaf = forgeLeaf({ by: root, ...life });

function leaf(spec: ForgedSpec = {}): Forged {
  return forgeLeaf({ by: root, ...life, ...spec });
}
function leafWith(...extensions: Buffer[]): Forged[] {
  return [leaf({ extensions: [...extensions, san(ID)] })];
}
function below(spec: ForgedSpec): Forged[] {
  const between = forgeAuthority({ name: 'between', by: root, ...life, ...spec });
  return [leaf({ by: between }), between];
}

let server: Server;
let outcome: (verdict: boolean) => void = () => undefined;
beforeAll(async () => {
  const identity = { privateKeyPem: serverLeaf.keyPem, chainPem: serverLeaf.pem, rootsPem: [root.pem] };
  server = createServer(tlsOptions('server', identity), (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    outcome(socket.authorized);
    socket.destroy();
  });
  server.on('tlsClientError', () => outcome(false));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.close();
  await once(server, 'close');
});

/** Whether OpenSSL, as a server, takes the client's chain. */
async function opensslAccepts(chain: readonly Forged[]): Promise<boolean> {
  const verdict = new Promise<boolean>((resolve) => {
    outcome = resolve;
  });
  const [first = serverLeaf] = chain;
  const chainPem = chain.map(({ pem }) => pem).join('');
  const options = tlsOptions('client', { privateKeyPem: first.keyPem, chainPem, rootsPem: [root.pem] });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the server listens on a port');
  const socket = connect({ ...options, host: '127.0.0.1', port: address.port });
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const accepted = await verdict;
  await closed;
  return accepted;
}

function weAccept(chain: readonly Forged[]): boolean {
  const ders = chain.map((one) => one.der);
  const roots = TrustBundle.parse(root.pem);
  return !isRefusal(verifyPeer({ chain: ders, roots, usage: 'client', nowEpochMs: now, expect: 'anyone' }));
}

const critical = extension('1.2.3.4', Buffer.from('x'), true);
const constraint = (name: Buffer): Buffer => extension('2.5.29.30', sequence(der(0xa0, sequence(name))), true);
const onUris = constraint(der(0x86, Buffer.from('td')));
const onOtherUris = constraint(der(0x86, Buffer.from('other')));
const onMail = constraint(der(0x81, Buffer.from('td')));

test.each<{ name: string; chain: readonly Forged[]; both: boolean }>([
  { name: 'plain', chain: [leaf()], both: true },
  { name: 'below an intermediate', chain: [leaf({ by: middle }), middle], both: true },
  { name: 'intermediates out of order', chain: [leaf({ by: middle }), stranger, middle], both: true },
  { name: 'key of P-384', chain: [leaf({ keys: ecKeys('P-384') })], both: true },
  { name: 'key of RSA 2048', chain: [leaf({ keys: rsaKeys(2048) })], both: true },
  { name: 'no extended key usage, no keyUsage', chain: leafWith(notAuthority()), both: true },
  { name: 'for clients', chain: leafWith(purposes(2)), both: true },
  { name: 'unknown extension', chain: leafWith(extension('1.2.3.4', Buffer.from('x'))), both: true },
  { name: 'constraints on URIs that are kept', chain: below({ extensions: [authority(), onUris] }), both: true },
  {
    name: 'constraints on names that the leaf has not',
    chain: below({ extensions: [authority(), onMail] }),
    both: true,
  },
  { name: 'intermediate missing', chain: [leaf({ by: middle })], both: false },
  { name: 'stranger', chain: [leaf({ by: stranger }), stranger], both: false },
  { name: 'same name, another key', chain: [leaf({ by: namesake })], both: false },
  { name: 'self-signed', chain: [forgeLeaf({ name: 'alone', ...life })], both: false },
  { name: 'expired', chain: [leaf({ notAfter: now - 5_000 })], both: false },
  { name: 'not valid yet', chain: [leaf({ notBefore: now + 60_000 })], both: false },
  { name: 'expired intermediate', chain: below({ notAfter: now - 5_000 }), both: false },
  { name: 'for servers only', chain: leafWith(purposes(1)), both: false },
  { name: 'intermediate for servers only', chain: below({ extensions: [authority(), purposes(1)] }), both: false },
  { name: 'any purpose only', chain: leafWith(purposes('2.5.29.37.0')), both: false },
  { name: 'keyUsage without digitalSignature', chain: leafWith(keyUsage(0x04)), both: false },
  {
    name: 'intermediate without keyCertSign',
    chain: below({ extensions: [authority(), keyUsage(0x02)] }),
    both: false,
  },
  { name: 'intermediate that is a leaf', chain: below({ extensions: [notAuthority()] }), both: false },
  { name: 'critical extension', chain: leafWith(critical), both: false },
  { name: 'critical extension of an intermediate', chain: below({ extensions: [authority(), critical] }), both: false },
  { name: 'key identifiers that differ', chain: idsThatDiffer(), both: false },
  { name: 'constraints on URIs', chain: below({ extensions: [authority(), onOtherUris] }), both: false },
  { name: 'SHA-1', chain: [leaf({ scheme: ECDSA_SHA1 })], both: false },
  { name: 'path too long', chain: tooLong(), both: false },
])('both say the same: $name: $both', async ({ chain, both }) => {
  expect({ we: weAccept(chain), openssl: await opensslAccepts(chain) }).toEqual({ we: both, openssl: both });
});

// What OpenSSL lets pass and the reference's library, or we, do not.
test.each<{ name: string; chain: readonly Forged[] }>([
  { name: 'the certificate of an authority as leaf (as the reference)', chain: leafWith(authority()) },
  { name: 'key of P-521', chain: [leaf({ keys: ecKeys('P-521') })] },
])('only OpenSSL accepts: $name', async ({ chain }) => {
  expect({ we: weAccept(chain), openssl: await opensslAccepts(chain) }).toEqual({ we: false, openssl: true });
});

function idsThatDiffer(): Forged[] {
  const by = forgeAuthority({ name: 'm', by: root, ...life, extensions: [authority(), subjectKeyId(1)] });
  return [leaf({ by, extensions: [authorityKeyId(2), san(ID)] }), by];
}

function tooLong(): Forged[] {
  const top = forgeAuthority({ name: 'top', by: root, ...life, extensions: [authority(0)] });
  const between = forgeAuthority({ name: 'between', by: top, ...life });
  return [leaf({ by: between }), between, top];
}
