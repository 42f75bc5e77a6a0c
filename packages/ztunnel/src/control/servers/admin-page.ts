import type { Denial } from '../../data-plane/protocol.ts';
import { type LogFilter, parseLogFilter } from '../../log/log-filter.ts';
import type { LogRoot } from '../../log/logger.ts';
import type { Listed } from '../data-threads.ts';
import { denialsPage } from './denials-page.ts';
import { type Diagnosable, heapPage, profilePage } from './diagnosis-page.ts';
import type { Answer, Answerer } from './http-listener.ts';
import { type PolicyReport, policiesPage } from './policies-page.ts';

export interface AdminOptions {
  readonly log: LogRoot;
  /** The filter of the configuration: what `?reset` starts from. */
  readonly initialFilter: LogFilter;
  /** Called whenever a filter was asked for and `log` has it, even if it had the same before. */
  readonly filterChanged: (filter: LogFilter) => void;
  /** Starts the drain; called after the answer has been made. */
  readonly quit: () => void;
  /** The JSON text of `/config_dump`. */
  readonly dump: () => Promise<string>;
  readonly denials: () => Promise<Listed<readonly Denial[]>>;
  readonly policies: () => PolicyReport;
  readonly diagnoses: Diagnosable;
}

const loggingUsage = `usage: POST /logging\t\t\t\t\t\t(To list current level)
usage: POST /logging?level=<level>\t\t\t\t(To change global levels)
usage: POST /logging?level={mod1}:{level1},{mod2}:{level2}\t(To change specific mods' logging level)

hint: loglevel:\terror|warn|info|debug|trace|off
hint: mod_name:\tthe module name, i.e. ztunnel::proxy
`;

const index = `<!DOCTYPE html>
<html lang="en">
<head><title>ztunnel</title></head>
<body>
<h1>ztunnel</h1>
<table>
<tr><td><a href="config_dump">config_dump</a></td><td>configuration, state and certificates as JSON</td></tr>
<tr><td><a href="debug/policies">debug/policies</a></td><td>policies in force, and the state of the local configuration (?format=json, ?namespace=, ?workload=, ?limit=)</td></tr>
<tr><td><a href="debug/denials">debug/denials</a></td><td>recent denied connections, with what would have let them pass (?format=json, ?pod=, ?limit=)</td></tr>
<tr><td><a href="debug/profile">debug/profile</a></td><td>CPU profile of a data thread as .cpuprofile (?thread=, ?seconds=)</td></tr>
<tr><td><a href="debug/heap">debug/heap</a></td><td>heap statistics of a data thread (?thread=)</td></tr>
<tr><td>logging</td><td>POST: list or change the log level</td></tr>
<tr><td>quitquitquit</td><td>POST: drain and end the process</td></tr>
</table>
</body>
</html>
`;

/** The pages of 15000 (spec ztunnel.md §13); its pprof pages are not there: `/debug/profile` has V8's own format. */
export function adminPages(options: AdminOptions): Answerer {
  return async (request, url): Promise<Answer> => {
    switch (url.pathname) {
      case '/':
        return { status: 200, contentType: 'text/html; charset=utf-8', body: index };
      case '/config_dump':
        return { status: 200, contentType: 'application/json', body: await options.dump() };
      case '/debug/denials':
        return denialsPage(url, await options.denials());
      case '/debug/policies':
        return policiesPage(url, options.policies());
      case '/debug/profile':
        return profilePage(url, options.diagnoses);
      case '/debug/heap':
        return heapPage(url, options.diagnoses);
      case '/logging':
        return request.method === 'POST' ? logging(options, url) : text(405, `Invalid HTTP method\n \n${loggingUsage}`);
      case '/quitquitquit': {
        if (request.method !== 'POST') return { status: 405 };
        setImmediate(options.quit);
        return text(200, 'shutdown now\n');
      }
      default:
        return { status: 404 };
    }
  };
}

function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain', body };
}

function logging(options: AdminOptions, url: URL): Answer {
  const { log } = options;
  const reset = url.searchParams.has('reset');
  const wanted = url.searchParams.get('level') ?? '';
  const base = reset ? options.initialFilter : log.filter;
  const filter = wanted === '' ? base : parseLogFilter(`${base.toString()},${wanted}`);
  if (typeof filter === 'string') return text(400, `Invalid level provided: ${filter}\n${loggingUsage}`);
  if (reset || wanted !== '') {
    log.filter = filter;
    options.filterChanged(filter);
  }
  return text(200, `current log level is ${log.filter.toString()}\n`);
}
