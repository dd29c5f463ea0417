// An official Node SDK worker that serves HTTP routes under /<name>/: see routes.py, which serves the same.

import { createHash } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { http } from '@iii-dev/helpers/http'
import { registerWorker } from 'iii-sdk'

const name = process.argv[2]
const worker = registerWorker(process.env.III_URL, { workerName: name })

function route(http_method, path, handler, config = {}) {
  const function_id = `${name}::${http_method}::${path}`
  worker.registerFunction(function_id, handler)
  config = { ...config, api_path: `${name}/${path}`, http_method }
  worker.registerTrigger({ type: 'http', function_id, config })
}

const text = async () => ({ status_code: 200, headers: { 'content-type': 'text/plain' }, body: 'plain' })
const end = (stream, content) =>
  new Promise((resolve, reject) => {
    stream.on('error', reject)
    stream.end(content, resolve)
  })

worker.registerFunction(`${name}::guard`, async ({ request }) =>
  request.headers.authorization === 'Bearer good'
    ? { action: 'continue' }
    : { action: 'respond', response: { status_code: 401, body: { error: 'who are you?' } } },
)
worker.registerFunction(`${name}::even`, async ({ path_params }) => Number(path_params.n) % 2 === 0)

route('POST', 'items/:id', async ({ path_params, query_params, body, method, path }) => ({
  status_code: 201,
  headers: { 'x-worker': name },
  body: { path_params, query_params, body, method, path },
}))
route('GET', 'text', text)
route('GET', 'fail', async () => {
  throw new Error('it was meant to fail')
})
route(
  'GET',
  'events',
  http(async (request, response) => {
    response.status(200)
    response.headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
    for (let number = 0; number < Number(request.query_params.count); number++) {
      response.stream.write(`data: ${number}\n\n`)
      await wait(10)
    }
    await end(response.stream)
  }),
)
route(
  'PUT',
  'digest',
  http(async (request) => {
    const content = await request.request_body.readAll()
    return { status_code: 200, body: { length: content.length, sha256: createHash('sha256').update(content).digest('hex') } }
  }),
)
route(
  'GET',
  'download',
  http(async (request, response) => {
    const length = Number(request.query_params.length)
    response.headers({ 'content-type': 'application/octet-stream', 'content-length': String(length) })
    await end(response.stream, Buffer.alloc(length, 'x'))
  }),
)
route('GET', 'guarded', text, { middleware_function_ids: [`${name}::guard`] })
route('GET', 'even/:n', text, { condition_function_id: `${name}::even` })

try {
  await worker.trigger({ function_id: 'probe::barrier', payload: null })
} catch (error) {
  if (error.code !== 'function_not_found') throw error
}
console.log('@ready')
