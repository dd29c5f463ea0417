// An official Node SDK worker that does what it is told: see probe.py, which understands the same words.

import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { registerWorker } from 'iii-sdk'
import { createChannel, createStream } from 'iii-sdk/helpers'

const name = process.argv[2]
const functions = new Map()
const types = new Map()
const bindings = new Map()

const say = (message) => process.stdout.write(`@${JSON.stringify(message)}\n`)
const digest = (text) => ({ length: text.length, sha256: createHash('sha256').update(text).digest('hex') })
const call = (function_id, payload, { timeout_ms, ...more } = {}) =>
  worker.trigger({ function_id, payload, timeoutMs: timeout_ms, ...more })

async function barrier() {
  // The engine has handled all frames sent so far: they are taken in order, and this one is answered.
  try {
    await call('probe::barrier', null)
  } catch (error) {
    if (error.code !== 'function_not_found') throw error
  }
}

const behaviours = (function_id) => ({
  async echo(data, metadata) {
    say({ event: 'called', function_id, data, metadata: metadata ?? null })
    return { data, metadata: metadata ?? null }
  },
  async fail(data) {
    throw new Error(data.message)
  },
  async nested(data) {
    return { nested: await call(data.function_id, data.payload) }
  },
  async hang(data) {
    say({ event: 'called', function_id, data })
    return new Promise(() => {})
  },
  async nothing() {},
  async door(data) {
    say({ event: 'called', function_id, data })
    return { unauthorized: data.group_id === 'closed' }
  },
  async who(data) {
    return { context: { user: data.query_params.user?.[0] ?? null } }
  },
  async large(data) {
    return { text: data.text }
  },
  async read_channel(data) {
    const messages = []
    data.reader.onMessage((message) => messages.push(message))
    return { ...digest((await data.reader.readAll()).toString()), messages }
  },
  async write_channel(data) {
    await write(data.writer, data.length)
    return digest('x'.repeat(data.length))
  },
})

function write(writer, length) {
  writer.sendMessage('begin')
  return new Promise((resolve, reject) => {
    writer.stream.on('error', reject)
    writer.stream.end('x'.repeat(length), resolve)
  })
}

// A stream's items, kept here.
function shelf() {
  const groups = new Map()
  const group = (id) => groups.get(id) ?? groups.set(id, new Map()).get(id)
  return {
    async get({ group_id, item_id }) {
      return group(group_id).get(item_id) ?? null
    },
    async set({ group_id, item_id, data }) {
      const old_value = group(group_id).get(item_id)
      group(group_id).set(item_id, data)
      say({ event: 'kept', group_id, item_id, data })
      return { old_value, new_value: data }
    },
    async delete({ group_id, item_id }) {
      const old_value = group(group_id).get(item_id)
      group(group_id).delete(item_id)
      return { old_value }
    },
    async list({ group_id }) {
      return [...group(group_id).values()]
    },
    async listGroups() {
      return [...groups.keys()].filter((id) => group(id).size > 0)
    },
  }
}

const commands = {
  async function({ function_id, behaviour, ...more }) {
    functions.set(function_id, worker.registerFunction(function_id, behaviours(function_id)[behaviour], more))
    await barrier()
  },
  async unregister({ function_id }) {
    functions.get(function_id).unregister()
    await barrier()
  },
  async call({ function_id, payload, ...more }) {
    return call(function_id, payload, more)
  },
  async call_large({ function_id, length, ...more }) {
    return digest((await call(function_id, { text: 'x'.repeat(length) }, more)).text)
  },
  async trigger_type({ type_id, reject }) {
    const bound = new Map()
    types.set(type_id, bound)
    worker.registerTriggerType({ id: type_id, description: `of ${name}` }, {
      async registerTrigger(binding) {
        if (reject) throw new Error(reject)
        bound.set(binding.id, binding)
        const { function_id, config, metadata } = binding
        say({ event: 'bound', function_id, config, metadata: metadata ?? null })
      },
      async unregisterTrigger({ id }) {
        const { function_id } = bound.get(id)
        bound.delete(id)
        say({ event: 'unbound', function_id })
      },
    })
    await barrier()
  },
  async bind(trigger) {
    const key = `binding-${bindings.size + 1}`
    bindings.set(key, worker.registerTrigger(trigger))
    await barrier()
    return key
  },
  async unbind({ binding }) {
    bindings.get(binding).unregister()
    await barrier()
  },
  async fire({ type_id, payload }) {
    const all = [...types.get(type_id).values()]
    return Promise.all(all.map(({ function_id, metadata }) => call(function_id, payload, { metadata })))
  },
  async stream_provider({ stream_name }) {
    createStream(worker, stream_name, shelf())
    await barrier()
  },
  async send_through_channel({ function_id, length }) {
    const channel = await createChannel(worker)
    const reading = call(function_id, { reader: channel.readerRef })
    await write(channel.writer, length)
    return { read: await reading, sent: digest('x'.repeat(length)) }
  },
  async receive_through_channel({ function_id, length }) {
    const channel = await createChannel(worker)
    const messages = []
    channel.reader.onMessage((message) => messages.push(message))
    const writing = call(function_id, { writer: channel.writerRef, length })
    const content = (await channel.reader.readAll()).toString()
    return { read: { ...digest(content), messages }, sent: await writing }
  },
  async state() {
    return { state: worker.connectionState, worker_id: worker.workerId }
  },
  async shutdown() {
    await worker.shutdown()
  },
}

const worker = registerWorker(process.env.III_URL, {
  workerName: name,
  headers: JSON.parse(process.env.PROBE_HEADERS ?? '{}'),
})
await barrier() // answered, so the SDK has introduced itself by now
await barrier() // answered, so the engine has taken that in
say({ event: 'ready', worker_id: worker.workerId })

const lines = createInterface({ input: process.stdin })
lines.on('line', async (line) => {
  const { id, do: what, ...command } = JSON.parse(line)
  try {
    say({ id, result: (await commands[what](command)) ?? null })
  } catch (error) {
    const { code, message, stacktrace } = error
    const told = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message // the SDK puts them together
    say({ id, error: { kind: error.constructor.name, code, message: told, stacktrace } })
  }
})
lines.on('close', () => process.exit(0)) // the test has gone
