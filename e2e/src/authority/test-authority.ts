import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LabClient } from '@ambientmesh/lab';
import { CertificateAuthority, type CertificateSpec, parseSpiffeId } from '@ambientmesh/spiffe';
import type { TlsChoice } from '../pods/driver-protocol.ts';
import type { FrontAnswer, FrontConfig, FrontMessage } from './front-protocol.ts';

const FRONT = fileURLToPath(new URL('front.ts', import.meta.url));
const SOURCE_CONDITION = '--conditions=@ambientmesh/source';
const TRUST_DOMAIN = 'cluster.local';
/** The first node of the test topology, and a port nobody else has. */
const NODE = 'node1';
const HOST = '172.30.0.11';
const PORT = 15_999;

/** Answers a request for a certificate in another way than by signing it: PEM texts, or an error's text. */
export type Misbehaviour = (csrPem: string) => Promise<readonly string[] | { readonly refusal: string }>;

/**
 * A certificate authority in the hands of the test, in place of the lab's own: it is not reachable before `serve`, can
 * misbehave, and issues certificates no honest authority would.
 */
export class TestAuthority {
  /** Variables for the ztunnels. */
  readonly environment: Readonly<Record<string, string>>;
  readonly rootPem: string;
  /** By SPIFFE ID: who gets something else than a certificate. */
  readonly misbehaviours = new Map<string, Misbehaviour>();
  readonly #authority: CertificateAuthority;
  readonly #config: FrontConfig;

  private constructor(authority: CertificateAuthority, config: FrontConfig) {
    this.#authority = authority;
    this.#config = config;
    this.rootPem = authority.rootPem;
    this.environment = { CA_ADDRESS: `https://${HOST}:${PORT}`, CA_ROOT_CA: authority.rootPem };
  }

  /** Makes keys and root. */
  static async create(): Promise<TestAuthority> {
    const authority = await CertificateAuthority.create({ trustDomain: TRUST_DOMAIN });
    const tls = await authority.issueServer({ dnsNames: ['istiod.istio-system.svc'], ips: [HOST] });
    return new TestAuthority(authority, { host: HOST, port: PORT, tls });
  }

  /** Serves in the lab, until the lab ends; resolves when it can be reached. */
  async serve(lab: LabClient): Promise<void> {
    const front = lab.spawnIn(NODE, [process.execPath, SOURCE_CONDITION, FRONT, JSON.stringify(this.#config)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (front.stdout === null) throw new Error('no pipe from the front');
    const lines = createInterface({ input: front.stdout });
    await new Promise<void>((resolve, reject) => {
      front.once('exit', (code) => reject(new Error(`the authority's front has ended: ${code}`)));
      lines.on('line', (line) => {
        const message: FrontMessage = JSON.parse(line);
        if ('listening' in message) resolve();
        else this.#answer(front, message).catch(reject);
      });
    });
  }

  /** A certificate with its key for exactly what `spec` says, for a TLS end in a pod. */
  async issue(spec: Partial<CertificateSpec>): Promise<TlsChoice> {
    const { chainPem, privateKeyPem } = await this.#authority.issue(spec);
    return { cert: chainPem, key: privateKeyPem, ca: this.rootPem };
  }

  async #answer(front: ChildProcess, message: Extract<FrontMessage, { id: number }>): Promise<void> {
    const { id, csrPem, wanted, validitySeconds } = message;
    const misbehave = this.misbehaviours.get(wanted);
    const outcome =
      misbehave === undefined ? await this.#sign(csrPem, wanted, validitySeconds) : await misbehave(csrPem);
    const answer: FrontAnswer = 'refusal' in outcome ? { id, ...outcome } : { id, chain: outcome };
    front.stdin?.write(`${JSON.stringify(answer)}\n`);
  }

  async #sign(csrPem: string, wanted: string, validitySeconds: number): Promise<readonly string[]> {
    const id = parseSpiffeId(wanted);
    if (id === undefined) throw new Error(`asked for ${JSON.stringify(wanted)}`);
    return this.#authority.sign(csrPem, { id, validityMs: validitySeconds * 1_000 });
  }

  /** Signs a request for another identity than was asked for. */
  signAs(spiffeId: string): Misbehaviour {
    return (csrPem) => this.#sign(csrPem, spiffeId, 3_600);
  }
}
