import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { CertificateAuthority, parseSpiffeId, type SpiffeId } from '@ambientmesh/spiffe';
import { type CaCall, type CaServer, listenCa, XdsError } from '@ambientmesh/xds';
import { asLabError } from '../errors.ts';
import { spiffeUriOf, TRUST_DOMAIN } from '../topology/mesh-config.ts';
import { HOST_ADDRESS, type Topology } from '../topology/topology.ts';
import { IssuedCertificates } from './issued-certificates.ts';
import { AUTHORITY_HOSTNAME, tokenPath } from './ztunnel-process.ts';

/** Where istiod listens. */
const AUTHORITY_PORT = 15_012;
const TOKEN_BYTES = 32;

/** Certifies whom: an identity, asked for by a node. */
interface Asker {
  readonly node: string;
  readonly id: SpiffeId;
}

/** The lab's certificate authority: what istiod will be, and like it, it certifies for a node only who runs there. */
export class Authority {
  readonly address = `${HOST_ADDRESS}:${AUTHORITY_PORT}`;
  readonly issued = new IssuedCertificates();
  readonly #server: CaServer;

  private constructor(server: CaServer, issued: IssuedCertificates) {
    this.#server = server;
    this.issued = issued;
  }

  /** Makes a root, writes it to `rootPath` and a token for each node, and serves. Throws LAB_PORT_TAKEN. */
  static async start(options: {
    readonly topology: Topology;
    readonly rootPath: string;
    /** Instead of what the asker wants. */
    readonly certificateSeconds: number | undefined;
  }): Promise<Authority> {
    const { topology, rootPath, certificateSeconds } = options;
    const issued = new IssuedCertificates();
    const authority = await CertificateAuthority.create({ trustDomain: TRUST_DOMAIN });
    writeFileSync(rootPath, authority.rootPem);
    const nodeByToken = new Map(topology.nodes.map((node) => [writeToken(node.name), node.name]));
    const tls = await authority.issueServer({ dnsNames: [AUTHORITY_HOSTNAME], ips: [HOST_ADDRESS] });
    try {
      const server = await listenCa<Asker>({
        host: HOST_ADDRESS,
        port: AUTHORITY_PORT,
        tls,
        authorize: (call) => Promise.resolve(authorize(call, nodeByToken, topology)),
        sign: async (csrPem, { node, id }, wantedSeconds) => {
          const validityMs = (certificateSeconds ?? wantedSeconds) * 1_000;
          const notBeforeEpochMs = certificateSeconds === undefined ? undefined : Date.now();
          const chain = await authority.sign(csrPem, {
            id,
            validityMs,
            ...(notBeforeEpochMs === undefined ? {} : { notBeforeEpochMs }),
          });
          issued.add(node, chain[0] ?? '');
          return chain;
        },
      });
      return new Authority(server, issued);
    } catch (error) {
      throw asLabError(error, 'LAB_PORT_TAKEN');
    }
  }

  /** Stops serving at once. */
  close(): void {
    this.#server.abort();
  }
}

function writeToken(node: string): string {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  writeFileSync(tokenPath(node), token, { mode: 0o600 });
  return token;
}

function authorize(call: CaCall, nodeByToken: ReadonlyMap<string, string>, topology: Topology): Asker {
  const node = nodeByToken.get(call.token);
  if (node === undefined) throw new XdsError('XDS_CALL_FAILED', 'unknown token', { grpcStatus: 'UNAUTHENTICATED' });
  const wanted = call.impersonate ?? '';
  const id = parseSpiffeId(wanted);
  const runsThere = topology.pods.some((pod) => pod.node === node && spiffeUriOf(pod) === wanted);
  if (id === undefined || !runsThere)
    throw new XdsError('XDS_CALL_FAILED', `${node} does not run ${wanted}`, { grpcStatus: 'PERMISSION_DENIED' });
  return { node, id };
}
