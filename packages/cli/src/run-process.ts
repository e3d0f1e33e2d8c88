import { main } from "./main.ts";
import { processIo } from "./process-io.ts";

/**
 * Runs the command line of this process, and ends it with the command's exit status: code of the project may keep the
 * process alive, and what is written to a pipe goes out first.
 *
 * @param before - words that come before those of the command line
 */
export async function run(...before: readonly string[]): Promise<void> {
  const status = await main([...before, ...process.argv.slice(2)], processIo());
  process.stdout.write("", () => process.exit(status));
}
