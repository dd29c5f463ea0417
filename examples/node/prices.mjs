// The worker `prices`, with the official Node SDK; its partner is ../sdk/with_node.py, where it says how to run both.
//
// It offers a function, provides a trigger type, and binds a function of its own to its partner's trigger type.

import { TriggerAction, registerWorker } from 'iii-sdk'

const worker = registerWorker(process.env.III_URL ?? 'ws://127.0.0.1:49134', { workerName: 'prices' })
const prices = { tea: 3, cake: 5 }
const bound = new Map()

worker.registerFunction('prices::get', async ({ item }) => {
  if (!(item in prices)) throw new Error(`nobody sells ${item}`)
  return { item, price: prices[item] }
})

worker.registerTriggerType({ id: 'prices::changed', description: 'A price has changed' }, {
  async registerTrigger({ id, function_id, config }) {
    bound.set(id, { function_id, item: config?.item })
    console.log(`BOUND prices::changed -> ${function_id}`)
  },
  async unregisterTrigger({ id }) {
    bound.delete(id)
  },
})

worker.registerFunction('prices::on_sold', async ({ item }) => {
  prices[item] += 1
  console.log(`RAISED ${item} to ${prices[item]}`)
  for (const { function_id, item: wanted } of bound.values()) {
    if ((wanted ?? item) === item) {
      worker.trigger({ function_id, payload: { item, price: prices[item] }, action: TriggerAction.Void() })
    }
  }
})

worker.registerTrigger({ type: 'shop::sold', function_id: 'prices::on_sold', config: { at_least: 2 } })
console.log('READY prices::get')

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await worker.shutdown()
    process.exit(0)
  })
}
