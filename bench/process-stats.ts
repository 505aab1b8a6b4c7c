/** CPU time and memory of another process, from /proc. Undefined where there is no /proc or no such process. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessUsage {
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

function ticksPerSecond(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
  } catch {
    return 100;
  }
}

let ticks = 0;

/** Fields 14 and 15 of the line; the command name before them may itself hold blanks and parentheses. */
export function cpuTicksOfStat(line: string): number {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

export function residentBytesOfStatus(status: string): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(status);
  return match === null ? Number.NaN : Number(match[1]) * 1024;
}

export function processUsage(pid: number): ProcessUsage | undefined {
  if (pid <= 0) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    if (ticks === 0) ticks = ticksPerSecond();
    return { cpuSeconds: cpuTicksOfStat(stat) / ticks, residentBytes: residentBytesOfStatus(status) };
  } catch {
    return undefined;
  }
}

/** Open files this process may have, or undefined where that cannot be told. */
export function openFilesLimit(): number | undefined {
  try {
    const match = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}
