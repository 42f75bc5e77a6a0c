import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { emitWarning } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CertificateStatus, LabStatus } from '../control-protocol.ts';
import { LabError } from '../errors.ts';
import type { PolicyReport, PolicyStatus } from '../policies/policy-report.ts';
import { type PolicyText, readPolicyTexts, throwIfRefused } from '../policies/policy-texts.ts';
import type { ControlClient } from './control-client.ts';
import { type DenialReport, readDenials } from './denials.ts';
import { type Entrance, spawnInside, unknownPlace } from './enter.ts';
import { LogView } from './log-view.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const POLL_MS = 25;
/** When a reader has stopped asking, what the kernel holds of a capture has long been delivered. */
const CAPTURE_SETTLE_MS = 20;

/** What a command in a pod did. */
export interface ExecResult {
  /** Exit code; 128 + number of the signal, as shells say, if it was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Output as it came, for what is not text. */
  readonly stdoutBytes: Buffer;
}

/** How to run a command in a pod. */
export interface ExecOptions {
  /** For stdin; empty if absent. */
  readonly input?: string | Uint8Array;
  /** Default 30 s; then it is killed and LAB_TIMEOUT thrown. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Which part of a log to read. */
export interface LogOptions {
  /** The last so many of the lines that are there; all if absent. */
  readonly lines?: number;
}

/** A capture of frames that goes on until it is stopped. */
export interface FrameCapture {
  /** Ends it and returns the frames, Ethernet header first. Throws LAB_COMMAND_FAILED if some were lost. */
  stop(): Promise<Buffer[]>;
}

/** What a client is made of; see `startLab` and `attachLab`. */
export interface LabConnection {
  readonly name: string;
  readonly control: ControlClient;
  readonly entrance: Entrance;
  /** What commands in pods get unless the caller says otherwise; PATH also tells where `curl` is. */
  readonly environment: Readonly<Record<string, string | undefined>> & { readonly PATH: string };
  /** Ends the lab, or only the connection to it. */
  readonly end: () => Promise<void>;
}

/** A lab that is up, from outside: everything a test, a benchmark or the command line does with it. */
export class LabClient implements AsyncDisposable {
  readonly name: string;
  /** Process 1 of the lab as this machine numbers it. */
  readonly initPid: number;
  readonly #connection: LabConnection;
  readonly #logs = new Map<string, LogView>();
  #closing: Promise<void> | undefined;

  /** Takes ownership of the connection; use `startLab` or `attachLab`. */
  constructor(connection: LabConnection) {
    this.#connection = connection;
    this.name = connection.name;
    this.initPid = connection.entrance.initPid;
  }

  /** Runs a command in a pod (or node) to its end. Throws LAB_TIMEOUT, LAB_TOOL_MISSING. A bad exit code is a result. */
  async exec(place: string, argv: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const { input, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    const child = this.spawnIn(place, argv, { stdio: ['pipe', 'pipe', 'pipe'], ...(signal ? { signal } : {}) });
    const { stdin, stdout, stderr } = child;
    return new Promise((resolve, reject) => {
      const out: Buffer[] = [];
      const err: Buffer[] = [];
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        child.kill('SIGKILL');
      }, timeoutMs);
      stdout?.on('data', (chunk: Buffer) => out.push(chunk));
      stderr?.on('data', (chunk: Buffer) => err.push(chunk));
      child.on('error', (cause) => {
        clearTimeout(timer);
        reject(new LabError('LAB_TOOL_MISSING', `nsenter: ${cause.message} (install util-linux)`, { cause }));
      });
      child.on('close', (code) => {
        clearTimeout(timer);
        if (timedOut) {
          reject(new LabError('LAB_TIMEOUT', `${place}: ${argv.join(' ')}: still running after ${timeoutMs} ms`));
          return;
        }
        const stdoutBytes = Buffer.concat(out);
        const stderrText = Buffer.concat(err).toString();
        resolve({ code: code ?? 137, stdout: stdoutBytes.toString(), stderr: stderrText, stdoutBytes });
      });
      // A command need not read its input.
      stdin?.on('error', () => undefined);
      stdin?.end(input);
    });
  }

  /**
   * Starts a command in a pod (or node) and returns its process, as `node:child_process.spawn` does; killing it by any
   * signal kills the command. It ends with the lab at the latest. Throws LAB_NAME_UNKNOWN.
   */
  spawnIn(place: string, argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const { entrance, environment } = this.#connection;
    const places = `/proc/${entrance.initPid}/root/run/netns`;
    if (!existsSync(`${places}/${place}`)) throw unknownPlace(place, existsSync(places) ? readdirSync(places) : []);
    return spawnInside(entrance, place, { argv, path: environment.PATH, spawn: { env: environment, ...options } });
  }

  /** Throws LAB_CLOSED, as everything below. */
  async status(): Promise<LabStatus> {
    return this.#connection.control.request('status');
  }

  /**
   * Takes pods into the mesh; resolves when their traffic is captured. A ztunnel that learns who is enrolled at its start
   * only (not the project's own) is started again if that has changed, which ends the connections through it; returned
   * are the names of such nodes. Throws LAB_ENROL_FAILED, LAB_NAME_UNKNOWN.
   */
  async enrol(...pods: readonly string[]): Promise<readonly string[]> {
    return this.#connection.control.request('enrol', { names: pods });
  }

  /** Gives pods back; restarts as `enrol` does, returns and throws the same. */
  async unenrol(...pods: readonly string[]): Promise<readonly string[]> {
    return this.#connection.control.request('unenrol', { names: pods });
  }

  /**
   * Takes `AuthorizationPolicy` and `PeerAuthentication` objects, new ones or new versions; resolves when every ztunnel
   * goes by them. Ztunnels are restarted as by `enrol`. Throws LAB_POLICY_INVALID with the place and path of every
   * mistake: such an object is refused and its previous version stays in force; the others are taken.
   */
  async applyPolicies(...texts: readonly PolicyText[]): Promise<PolicyReport> {
    const documents = readPolicyTexts(texts);
    const objects = documents.map(({ value }) => value);
    const report = await this.#connection.control.request('policy-apply', { objects });
    throwIfRefused(documents, report);
    return report;
  }

  /** Removes policy objects by `KIND/NAMESPACE/NAME`, all or none; resolves as above. Throws LAB_NAME_UNKNOWN, LAB_ARGUMENT_INVALID. */
  async deletePolicies(...names: readonly string[]): Promise<PolicyReport> {
    return this.#connection.control.request('policy-delete', { names });
  }

  /** The policy objects that are in force. */
  async policies(): Promise<readonly PolicyStatus[]> {
    return this.#connection.control.request('policy-list');
  }

  /**
   * Connections that policies denied lately, or dry-run policies would deny, on all nodes; or only those to one pod. The
   * latest first. A connection is told of when it has ended. A ztunnel that cannot tell within 5 s is named to `warn` (if
   * absent, by a warning of the process); if none can, or not that of the pod's node, throws LAB_ZTUNNEL_NOT_READY,
   * LAB_COMMAND_FAILED (one of another make). Throws LAB_NAME_UNKNOWN.
   */
  denials(
    pod?: string,
    warn: (message: string) => void = (message) => emitWarning(message),
  ): Promise<readonly DenialReport[]> {
    return readDenials(this, pod, warn);
  }

  /** Lines a node's ztunnel has printed so far. */
  ztunnelLog(node: string): Promise<readonly string[]> {
    return this.log(`ztunnel@${node}`);
  }

  /** Lines of a log so far: of a node's ztunnel (`NODE` or `ztunnel@NODE`) or of a pod. Throws LAB_NAME_UNKNOWN. */
  async log(source: string, options: LogOptions = {}): Promise<readonly string[]> {
    const lines: string[] = [];
    await this.#connection.control.request('logs', { ...options, name: source }, (text) => {
      lines.push(...String(text).replace(/\n$/, '').split('\n'));
    });
    return lines;
  }

  /** Calls `onText` with a log from its beginning (or its last `lines`) and whatever is added, until the lab ends. */
  async followLog(source: string, onText: (text: string) => void, options: LogOptions = {}): Promise<void> {
    const asked = { ...options, name: source, follow: true };
    await this.#connection.control.request('logs', asked, (text) => onText(String(text)));
  }

  /**
   * Waits for a line of a log (a node's name: its ztunnel's; or a pod's) for which `matches` is true, and
   * returns it. Lines before number `from` (0 by default) do not count: pass the length of an earlier `log`. Throws LAB_TIMEOUT.
   */
  waitForLog(
    source: string,
    matches: (line: string) => boolean,
    options: { readonly timeoutMs?: number; readonly from?: number } = {},
  ): Promise<string> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, from = 0 } = options;
    return this.#view(source).waitFor(matches, { timeoutMs, from });
  }

  /**
   * Begins to keep the frames a node exchanges with the other nodes, or those of a pod; ends with the client at the
   * latest. Throws LAB_NAME_UNKNOWN, LAB_TOO_MANY_CAPTURES.
   */
  async capture(place: string): Promise<FrameCapture> {
    const { control } = this.#connection;
    const capture = await control.request('capture-start', { name: place });
    return {
      stop: async () => {
        await sleep(CAPTURE_SETTLE_MS);
        const { frames, dropped } = await control.request('capture-stop', { capture });
        if (dropped > 0)
          throw new LabError('LAB_COMMAND_FAILED', `capture at ${place}: ${dropped} frames over its limit`);
        return frames.map((frame) => Buffer.from(frame, 'base64'));
      },
    };
  }

  /** Certificates the lab's authority has issued, oldest first. */
  async certificates(): Promise<readonly CertificateStatus[]> {
    return this.#connection.control.request('certificates');
  }

  /** Text of a node's ztunnel's `/metrics`. Throws LAB_ZTUNNEL_NOT_READY. */
  async metrics(node: string): Promise<string> {
    return this.#connection.control.request('metrics', { name: node });
  }

  /** Sends a signal to a node's ztunnel. Whether it is started again is the lab's restart policy. */
  async signalZtunnel(node: string, signal: NodeJS.Signals): Promise<void> {
    await this.#connection.control.request('ztunnel-signal', { name: node, signal });
  }

  /** Ends a node's ztunnel by a signal (SIGKILL if absent), waits for its end and leaves it so. */
  async killZtunnel(node: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#connection.control.request('ztunnel-stop', { name: node, signal });
  }

  /** Starts a node's ztunnel unless it runs, and waits until it is ready. Throws LAB_ZTUNNEL_NOT_READY. */
  async startZtunnel(node: string): Promise<void> {
    await this.#connection.control.request('ztunnel-start', { name: node });
  }

  /** `killZtunnel` with SIGTERM, then `startZtunnel`. */
  async restartZtunnel(node: string): Promise<void> {
    await this.#connection.control.request('ztunnel-restart', { name: node });
  }

  /** Resolves when the lab has ended or `signal` aborts. */
  untilEnded(signal: AbortSignal): Promise<void> {
    return this.#connection.control.untilClosed(signal);
  }

  /** Asks the lab to end; it does so shortly after. `close` waits for that if this client has started it. */
  async down(): Promise<void> {
    await this.#connection.control.request('down');
  }

  /** Waits until `condition` gives something other than undefined or false. Throws LAB_TIMEOUT. */
  async waitFor<T>(
    condition: () => Promise<T | undefined | false>,
    options: { readonly timeoutMs?: number; readonly what?: string } = {},
  ): Promise<T> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, what = 'condition' } = options;
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      const found = await condition();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > deadlineMs) throw new LabError('LAB_TIMEOUT', `${what}: not within ${timeoutMs} ms`);
      await sleep(POLL_MS);
    }
  }

  /** Ends the connection only, for a lab that is to live on. Idempotent. */
  disconnect(): void {
    this.#connection.control.close();
  }

  /** Ends the lab if this client started it (and it is not kept), otherwise only the connection. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#connection.end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #view(source: string): LogView {
    let view = this.#logs.get(source);
    if (view === undefined) {
      view = new LogView(source);
      this.#logs.set(source, view);
      const added = view;
      this.followLog(source, (text) => added.push(text)).then(
        () => added.end(new LabError('LAB_CLOSED', `log ${source}: the lab has ended`)),
        (error: unknown) => added.end(error),
      );
    }
    return view;
  }
}
