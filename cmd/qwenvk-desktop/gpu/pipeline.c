// The render pass and the one pipeline.
#include "screen.h"

static int shader_new(GpDevice *d, const uint32_t *code, size_t size, VrHandle *out, GpError *error) {
  VrShaderModuleCreateInfo info = {
      .sType = VR_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = size, .pCode = code};
  return gp_fail(error, "vkCreateShaderModule", d->CreateShaderModule(d->handle, &info, NULL, out));
}

static int pass_new(GpScreen *s, GpError *error) {
  GpDevice *d = s->d;
  VrAttachmentDescription color = {
      .format = s->format,
      .samples = VR_SAMPLE_COUNT_1_BIT,
      .loadOp = VR_ATTACHMENT_LOAD_OP_CLEAR,
      .storeOp = VR_ATTACHMENT_STORE_OP_STORE,
      .stencilLoadOp = VR_ATTACHMENT_LOAD_OP_DONT_CARE,
      .stencilStoreOp = VR_ATTACHMENT_STORE_OP_DONT_CARE,
      .initialLayout = VR_IMAGE_LAYOUT_UNDEFINED,
      .finalLayout = s->surface != 0 ? VR_IMAGE_LAYOUT_PRESENT_SRC_KHR : VR_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL};
  VrAttachmentReference reference = {0, VR_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL};
  VrSubpassDescription subpass = {.pipelineBindPoint = VR_PIPELINE_BIND_POINT_GRAPHICS,
                                  .colorAttachmentCount = 1,
                                  .pColorAttachments = &reference};
  VrSubpassDependency dependencies[2] = {
      // The picture is written where the wait for it ends, and, where there is no wait, behind its last copy.
      {.srcSubpass = VR_SUBPASS_EXTERNAL,
       .dstSubpass = 0,
       .srcStageMask = VR_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT | VR_PIPELINE_STAGE_TRANSFER_BIT,
       .dstStageMask = VR_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
       .srcAccessMask = VR_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
       .dstAccessMask = VR_ACCESS_COLOR_ATTACHMENT_WRITE_BIT},
      {.srcSubpass = 0,
       .dstSubpass = VR_SUBPASS_EXTERNAL,
       .srcStageMask = VR_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT,
       .dstStageMask = s->surface != 0 ? VR_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT : VR_PIPELINE_STAGE_TRANSFER_BIT,
       .srcAccessMask = VR_ACCESS_COLOR_ATTACHMENT_WRITE_BIT,
       .dstAccessMask = s->surface != 0 ? 0 : VR_ACCESS_TRANSFER_READ_BIT}};
  VrRenderPassCreateInfo info = {.sType = VR_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO,
                                 .attachmentCount = 1,
                                 .pAttachments = &color,
                                 .subpassCount = 1,
                                 .pSubpasses = &subpass,
                                 .dependencyCount = 2,
                                 .pDependencies = dependencies};
  return gp_fail(error, "vkCreateRenderPass", d->CreateRenderPass(d->handle, &info, NULL, &s->pass));
}

static int layouts_new(GpScreen *s, GpError *error) {
  GpDevice *d = s->d;
  VrDescriptorSetLayoutBinding binding = {0, VR_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1,
                                          VR_SHADER_STAGE_FRAGMENT_BIT, NULL};
  VrDescriptorSetLayoutCreateInfo set = {.sType = VR_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                         .bindingCount = 1,
                                         .pBindings = &binding};
  if (gp_fail(error, "vkCreateDescriptorSetLayout",
              d->CreateDescriptorSetLayout(d->handle, &set, NULL, &s->set_layout))) {
    return 1;
  }
  VrPushConstantRange push = {VR_SHADER_STAGE_VERTEX_BIT | VR_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof(PushConstants)};
  VrPipelineLayoutCreateInfo layout = {.sType = VR_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                       .setLayoutCount = 1,
                                       .pSetLayouts = &s->set_layout,
                                       .pushConstantRangeCount = 1,
                                       .pPushConstantRanges = &push};
  return gp_fail(error, "vkCreatePipelineLayout", d->CreatePipelineLayout(d->handle, &layout, NULL, &s->layout));
}

static int assemble(GpScreen *s, VrHandle vertex, VrHandle fragment, GpError *error) {
  VrPipelineShaderStageCreateInfo stages[2] = {{.sType = VR_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                .stage = VR_SHADER_STAGE_VERTEX_BIT,
                                                .module = vertex,
                                                .pName = "main"},
                                               {.sType = VR_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                                .stage = VR_SHADER_STAGE_FRAGMENT_BIT,
                                                .module = fragment,
                                                .pName = "main"}};
  VrVertexInputBindingDescription binding = {0, sizeof(GpQuad), VR_VERTEX_INPUT_RATE_INSTANCE};
  VrVertexInputAttributeDescription attributes[5] = {
      {0, 0, VR_FORMAT_R32G32B32A32_SFLOAT, offsetof(GpQuad, x0)},
      {1, 0, VR_FORMAT_R16G16B16A16_UINT, offsetof(GpQuad, u0)},
      {2, 0, VR_FORMAT_R16G16B16A16_SINT, offsetof(GpQuad, clip_x0)},
      {3, 0, VR_FORMAT_R8G8B8A8_UNORM, offsetof(GpQuad, r)},
      {4, 0, VR_FORMAT_R8G8B8A8_UINT, offsetof(GpQuad, radius)}};
  VrPipelineVertexInputStateCreateInfo input = {.sType = VR_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO,
                                                .vertexBindingDescriptionCount = 1,
                                                .pVertexBindingDescriptions = &binding,
                                                .vertexAttributeDescriptionCount = 5,
                                                .pVertexAttributeDescriptions = attributes};
  VrPipelineInputAssemblyStateCreateInfo assembly = {
      .sType = VR_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO,
      .topology = VR_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP};
  VrPipelineViewportStateCreateInfo viewport = {
      .sType = VR_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO, .viewportCount = 1, .scissorCount = 1};
  VrPipelineRasterizationStateCreateInfo raster = {
      .sType = VR_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO,
      .frontFace = VR_FRONT_FACE_CLOCKWISE,
      .lineWidth = 1};
  VrPipelineMultisampleStateCreateInfo samples = {
      .sType = VR_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO,
      .rasterizationSamples = VR_SAMPLE_COUNT_1_BIT};
  VrPipelineColorBlendAttachmentState attachment = {.blendEnable = 1, // premultiplied
                                                    .srcColorBlendFactor = VR_BLEND_FACTOR_ONE,
                                                    .dstColorBlendFactor = VR_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
                                                    .colorBlendOp = VR_BLEND_OP_ADD,
                                                    .srcAlphaBlendFactor = VR_BLEND_FACTOR_ONE,
                                                    .dstAlphaBlendFactor = VR_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
                                                    .alphaBlendOp = VR_BLEND_OP_ADD,
                                                    .colorWriteMask = 15};
  VrPipelineColorBlendStateCreateInfo blend = {.sType = VR_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO,
                                               .attachmentCount = 1,
                                               .pAttachments = &attachment};
  const uint32_t states[2] = {VR_DYNAMIC_STATE_VIEWPORT, VR_DYNAMIC_STATE_SCISSOR};
  VrPipelineDynamicStateCreateInfo dynamic = {.sType = VR_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO,
                                              .dynamicStateCount = 2,
                                              .pDynamicStates = states};
  VrGraphicsPipelineCreateInfo info = {.sType = VR_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO,
                                       .stageCount = 2,
                                       .pStages = stages,
                                       .pVertexInputState = &input,
                                       .pInputAssemblyState = &assembly,
                                       .pViewportState = &viewport,
                                       .pRasterizationState = &raster,
                                       .pMultisampleState = &samples,
                                       .pColorBlendState = &blend,
                                       .pDynamicState = &dynamic,
                                       .layout = s->layout,
                                       .renderPass = s->pass};
  return gp_fail(error, "vkCreateGraphicsPipelines",
                 s->d->CreateGraphicsPipelines(s->d->handle, 0, 1, &info, NULL, &s->pipeline));
}

int gp_pipeline_new(GpScreen *s, const uint32_t *vertex, size_t vertex_size, const uint32_t *fragment,
                    size_t fragment_size, GpError *error) {
  VrHandle modules[2] = {0, 0};
  int failed = pass_new(s, error) || layouts_new(s, error) ||
               shader_new(s->d, vertex, vertex_size, &modules[0], error) ||
               shader_new(s->d, fragment, fragment_size, &modules[1], error) ||
               assemble(s, modules[0], modules[1], error);
  s->d->DestroyShaderModule(s->d->handle, modules[0], NULL);
  s->d->DestroyShaderModule(s->d->handle, modules[1], NULL);
  return failed;
}
