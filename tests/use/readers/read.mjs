// Prints what npm's dotenv and Node itself make of a .env file. Each line of stdin is a file in base64.
import { createInterface } from "node:readline";
import { parseEnv } from "node:util";
import dotenv from "dotenv";

for await (const line of createInterface({ input: process.stdin })) {
  const file = Buffer.from(line, "base64").toString();
  console.log(JSON.stringify({ npm: dotenv.parse(file), node: parseEnv(file) }));
}
