import { type X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import {
  CertificateAuthority,
  createKeyAndCsr,
  parseWorkloadCertificate,
  type SpiffeId,
  tlsOptions,
  type WorkloadCertificate,
} from '@ambientmesh/spiffe';
import { expect, test } from 'vitest';

const client: SpiffeId = { trustDomain: 'td', namespace: 'default', serviceAccount: 'client' };
const server: SpiffeId = { ...client, serviceAccount: 'server' };
const [oldCa, newCa] = await Promise.all([
  CertificateAuthority.create({ trustDomain: 'td' }),
  CertificateAuthority.create({ trustDomain: 'td' }),
]);

/** A certificate of `ca` for `id` that trusts `roots`. */
async function certify(ca: CertificateAuthority, id: SpiffeId, roots: readonly string[]): Promise<WorkloadCertificate> {
  const { privateKeyPem, csrPem } = await createKeyAndCsr(id);
  const [leaf = ''] = await ca.sign(csrPem, { id, validityMs: 3_600_000 });
  return parseWorkloadCertificate({ privateKeyPem, chain: [leaf, roots.join('')], expected: id });
}

async function dial(port: number, certificate: WorkloadCertificate): Promise<TLSSocket> {
  const socket = connect({ ...tlsOptions('client', certificate), host: '127.0.0.1', port });
  await once(socket, 'secureConnect');
  return socket;
}

async function echo(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  const [bytes] = await once(socket, 'data');
  return String(bytes);
}

function serialOf(socket: TLSSocket): string {
  const peer: X509Certificate | undefined = socket.getPeerX509Certificate();
  return BigInt(`0x${peer?.serialNumber ?? '0'}`).toString();
}

test('1.1, 1.5 new certificate and new root: next handshakes use them, running connections go on', async () => {
  const before = await certify(oldCa, server, [oldCa.rootPem]);
  const listener = createServer(tlsOptions('server', before), (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  const running = await dial(port, await certify(oldCa, client, [oldCa.rootPem]));
  expect(serialOf(running)).toBe(before.serialNumber);

  const after = await certify(newCa, server, [newCa.rootPem]);
  listener.setSecureContext(tlsOptions('server', after));
  const next = await dial(port, await certify(newCa, client, [newCa.rootPem]));
  expect(serialOf(next)).toBe(after.serialNumber);
  expect(await echo(next, 'new')).toBe('new');
  expect(await echo(running, 'still here')).toBe('still here');

  const both = await certify(oldCa, client, [oldCa.rootPem, newCa.rootPem]);
  const stale = connect({ ...tlsOptions('client', both), host: '127.0.0.1', port });
  const refused = await new Promise((resolve) => {
    stale.on('error', resolve);
    stale.on('close', () => resolve('closed'));
  });
  expect(refused).toBeDefined();

  running.destroy();
  next.destroy();
  listener.close();
  await once(listener, 'close');
});
