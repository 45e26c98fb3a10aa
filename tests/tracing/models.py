"""Small networks to trace, of the kinds that people write."""

import math

import torch
from torch import nn
from torch.nn import functional as F

# ---------------------------------------------------------------- convolutional networks


class BasicBlock(nn.Module):
    """As in torchvision."""

    def __init__(self, in_channels, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet18(nn.Module):
    def __init__(self, width=4, n_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        layers, channels = [], width
        for k in range(4):
            for stride in (1 if k == 0 else 2, 1):
                layers.append(BasicBlock(channels, width * 2**k, stride))
                channels = width * 2**k
        self.layers = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, n_classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = torch.flatten(self.avgpool(self.layers(x)), 1)
        return self.fc(x)


class InvertedResidual(nn.Module):
    def __init__(self, in_channels, channels, stride, expansion):
        super().__init__()
        hidden = in_channels * expansion
        self.skips = stride == 1 and in_channels == channels
        layers = [] if expansion == 1 else [self._conv(in_channels, hidden, 1)]
        self.conv = nn.Sequential(
            *layers,
            self._conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    @staticmethod
    def _conv(in_channels, channels, kernel, stride=1, groups=1):
        return nn.Sequential(
            nn.Conv2d(
                in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU6(inplace=True),
        )

    def forward(self, x):
        return x + self.conv(x) if self.skips else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            InvertedResidual._conv(3, 4, 3, 2),
            InvertedResidual(4, 4, 1, 1),
            InvertedResidual(4, 6, 2, 6),
            InvertedResidual(6, 6, 1, 6),
            InvertedResidual(6, 8, 2, 6),
            InvertedResidual._conv(8, 16, 1),
        )
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 10))

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class UNet(nn.Module):
    """Two levels; one goes up by interpolation, one by a transposed convolution."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = self._double(1, 4), self._double(4, 8)
        self.middle = self._double(8, 16)
        self.up2 = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.conv2, self.conv1 = self._double(16, 8), self._double(12, 4)
        self.head = nn.Conv2d(4, 2, 1)

    @staticmethod
    def _double(in_channels, channels):
        return nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, x):
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        x = self.middle(F.max_pool2d(two, 2))
        x = self.conv2(torch.cat([two, self.up2(x)], dim=1))
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.head(self.conv1(torch.cat([one, x], dim=1)))


class SqueezeExcite(nn.Module):
    """A channel attention, with the mean written out and a view instead of a flatten."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 8, 3)
        self.squeeze = nn.Linear(8, 2)
        self.excite = nn.Linear(2, 8)

    def forward(self, x):
        x = self.conv(x)
        n, c = x.shape[:2]
        gate = x.mean((2, 3)).view(n, c)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(gate))))
        return x * gate.view(n, c, 1, 1)


class ConvModule(nn.Module):
    """A convolution, normalised and activated, and a head; every step a module."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = nn.Linear(4, 3)
        self.last = nn.Softmax(dim=1)

    def forward(self, x):
        x = self.pool(self.act(self.bn(self.conv(x))))
        return self.last(self.head(self.flatten(self.gap(x))))


class ConvFunctional(ConvModule):
    """The same by functions."""

    def forward(self, x):
        x = F.conv2d(x, self.conv.weight, self.conv.bias, stride=2, padding=1, groups=2)
        bn = self.bn
        x = F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, False)
        x = F.max_pool2d(F.relu(x), 2)
        x = F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)
        return F.softmax(F.linear(x, self.head.weight, self.head.bias), dim=1)


class ConvInPlace(ConvModule):
    """The same with in-place steps, results not even assigned, and methods."""

    def forward(self, x):
        x = self.bn(self.conv(x))
        F.relu(x, inplace=True)
        x = torch.max_pool2d(x, kernel_size=(2, 2), stride=2)
        x = self.head(x.mean(dim=[-2, -1]).contiguous())
        return x.softmax(1)


class ConvMethods(ConvModule):
    """The same with other spellings, dropout and identities between."""

    def forward(self, x):
        x = nn.Identity()(torch.conv2d(x, self.conv.weight, self.conv.bias, (2, 2), 1, 1, 2))
        x = F.dropout2d(self.bn(x), 0.5, training=self.training)
        x.relu_()
        x = F.max_pool2d(x, (2, 2), (2, 2))
        x = self.head(self.gap(x).squeeze(3).squeeze(2))
        return torch.softmax(x, -1)


# ---------------------------------------------------------------- sequences


class TransformerClassifier(nn.Module):
    def __init__(self, n_layers=2, norm_first=False):
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.position = nn.Parameter(torch.zeros(1, 6, 8))
        layer = nn.TransformerEncoderLayer(
            8, 2, 16, batch_first=True, norm_first=norm_first, activation="gelu"
        )
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position[:, : tokens.shape[1]]
        return self.head(self.encoder(x).mean(dim=1))


class MaskedTransformer(TransformerClassifier):
    """With a padding mask computed from the tokens."""

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position[:, : tokens.shape[1]]
        x = self.encoder(x, src_key_padding_mask=tokens == 0)
        return self.head(x.mean(dim=1))


class VisionTransformer(nn.Module):
    """Written by hand: patches, a class token, fused queries, keys and values."""

    def __init__(self, n_layers=2, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(1, width, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("position", torch.linspace(0, 1, 5 * width).view(1, 5, width))
        self.qkv = nn.ModuleList([nn.Linear(width, 3 * width) for _ in range(n_layers)])
        self.out = nn.ModuleList([nn.Linear(width, width) for _ in range(n_layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        n, t, c = x.shape
        x = torch.cat([self.token.expand(n, -1, -1), x], dim=1) + self.position
        for qkv, out in zip(self.qkv, self.out):
            heads = qkv(x).reshape(n, t + 1, 3, self.heads, c // self.heads)
            heads = heads.permute(2, 0, 3, 1, 4)
            q, k, v = heads[0], heads[1], heads[2]
            y = F.scaled_dot_product_attention(q, k, v)
            x = x + out(y.transpose(1, 2).reshape(n, t + 1, c))
        return self.head(self.norm(x)[:, 0])


class PlainAttention(nn.Module):
    """Attention from its parts."""

    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
        return scores.softmax(-1) @ v


class CrossAttention(nn.Module):
    """`nn.MultiheadAttention` whole: over itself, then over a second input."""

    def __init__(self, need_weights=True):
        super().__init__()
        self.need_weights = need_weights
        self.own = nn.MultiheadAttention(8, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(8, 4, batch_first=True, kdim=6, vdim=6)

    def forward(self, x, memory):
        x = x + self.own(x, x, x, need_weights=self.need_weights)[0]
        y, _ = self.cross(x, memory, memory)
        return x + y


class RecurrentClassifier(nn.Module):
    def __init__(self, kind="LSTM", by_state=False, **params):
        super().__init__()
        self.by_state = by_state
        self.embedding = nn.Embedding(11, 4)
        self.recurrent = getattr(nn, kind)(4, 6, batch_first=True, **params)
        self.head = nn.Linear(6 * (1 + self.recurrent.bidirectional), 3)

    def forward(self, tokens):
        out, state = self.recurrent(self.embedding(tokens))
        if not self.by_state:
            return self.head(out[:, -1])
        if isinstance(self.recurrent, nn.LSTM):
            state = state[0]
        if self.recurrent.bidirectional:
            return self.head(torch.cat([state[-2], state[-1]], dim=1))
        return self.head(state[-1])


# ---------------------------------------------------------------- what is special


class Twice(nn.Module):
    """Shared modules, called twice."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        x = self.linear(torch.tanh(self.linear(x)))
        for _ in range(2):
            x = self.attention(x, x, x)[0]
        return x


class DataDependent(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        x = self.linear(x)
        if x.sum() > 0:  # the statement that the error must name
            return x
        return -x


class Wrapped(nn.Module):
    """A module within which the trouble is."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(torch.relu(x))


class ShapeDependent(nn.Module):
    """Control flow that only shapes decide."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        if x.shape[0] > 1 and x.dim() == 2:
            x = self.linear(x)
        return torch.relu(x)


class FromDict(nn.Module):
    """A dict goes in, a dict comes out."""

    def __init__(self):
        super().__init__()
        self.image, self.table = nn.Linear(4, 5), nn.Linear(3, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, batch):
        joint = F.relu(self.image(batch["image"])) + F.relu(self.table(batch["table"]))
        return {"logits": self.head(joint), "features": joint}


class OptionalInputs(nn.Module):
    """An argument that may be None, a switch, and whatever else is passed on."""

    def __init__(self):
        super().__init__()
        self.linear, self.gate = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x, mask=None, *, double=False, **kwargs):
        x = self.linear(x)
        if mask is not None:
            x = x * self.gate(mask)
        if double:
            x = self.linear(x)
        if kwargs.get("last"):
            x = torch.tanh(x)
        return x


class Chained(nn.Module):
    """Sums and concatenations, in one go or by steps."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])

    def forward(self, x):
        a, b, c, d = (torch.relu(layer(x)) for layer in self.layers)
        if self.steps == "left":
            return torch.cat([torch.cat([a + b + c, d], 1), x], 1)
        if self.steps == "right":
            total = a.add(torch.add(c, b))
            return torch.cat([total, torch.cat((d, x), 1)], dim=1)
        total = sum([a, b, c])
        return torch.cat([total, d, x], dim=1)


class Function(nn.Module):
    """Any function of the input, with a parameter and a buffer."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.rand(4, 4))
        self.register_buffer("scale", torch.rand(4))

    def forward(self, x):
        return self.function(self, x)


class Unused(nn.Module):
    """Some of it leads nowhere."""

    def __init__(self):
        super().__init__()
        self.linear, self.extra = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        y = self.linear(x)
        torch.fft.fft(self.extra(y))
        return y


class Stateful(nn.Module):
    """It keeps count in a buffer, branches on one and remembers what it saw."""

    def __init__(self):
        super().__init__()
        self.linear, self.extra = nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("short", torch.tensor(True))
        self.seen = []

    def forward(self, x):
        self.calls += 1
        self.seen.append(x)
        x = self.linear(x)
        if not self.short:
            x = self.extra(x)
        if self.training:
            x = self.extra(x) + torch.randn_like(x)
        return x


# ---------------------------------------------------------------- one operation, many spellings

SPELLINGS = {
    "act(kind=relu)<0": [
        lambda s, x: F.relu(x),
        lambda s, x: x.relu(),
        lambda s, x: torch.relu_(x),
        lambda s, x: nn.ReLU()(x),
        lambda s, x: F.relu(x, True),
        lambda s, x: x.clamp(min=0),
        lambda s, x: torch.clamp_min(x, 0),
    ],
    "act(kind=relu6)<0": [
        lambda s, x: F.relu6(x),
        lambda s, x: x.clamp(0, 6),
        lambda s, x: nn.ReLU6()(x),
        lambda s, x: F.hardtanh(x, 0.0, 6.0),
    ],
    "act(kind=silu)<0": [lambda s, x: F.silu(x), lambda s, x: nn.SiLU(inplace=True)(x)],
    "act(kind=leaky_relu)<0": [
        lambda s, x: F.leaky_relu(x, 0.1),
        lambda s, x: nn.LeakyReLU()(x),
    ],
    "act(kind=hardtanh)<0": [lambda s, x: F.hardtanh(x), lambda s, x: nn.Hardtanh()(x)],
    "act(kind=logsigmoid)<0": [lambda s, x: F.logsigmoid(x), lambda s, x: nn.LogSigmoid()(x)],
    "act(kind=sigmoid)<0 mul()<0,1": [
        lambda s, x: x * torch.sigmoid(x),
        lambda s, x: x.sigmoid().mul_(x),
        lambda s, x: torch.mul(nn.Sigmoid()(x), x),
    ],
    "softmax()<0": [
        lambda s, x: x.softmax(1),
        lambda s, x: F.log_softmax(x, dim=1),
        lambda s, x: nn.Softmax(1)(x),
        lambda s, x: torch.softmax(x, -1),
    ],
    "norm(kind=layer)<0": [lambda s, x: F.layer_norm(x, (4,)), lambda s, x: nn.LayerNorm(4)(x)],
    "norm(kind=group)<0": [lambda s, x: F.group_norm(x, 2), lambda s, x: nn.GroupNorm(2, 4)(x)],
    "norm(kind=instance)<0": [
        lambda s, x: F.instance_norm(x),
        lambda s, x: nn.InstanceNorm2d(4)(x),
    ],
    "avgpool(kernel=2,stride=2)<0": [
        lambda s, x: F.avg_pool2d(x, 2),
        lambda s, x: nn.AvgPool2d((2, 2))(x),
    ],
    "maxpool(kernel=(1, 2),stride=1)<0": [
        lambda s, x: F.max_pool2d(x, (1, 2), stride=1),
        lambda s, x: nn.MaxPool2d((1, 2), (1, 1))(x),
        lambda s, x: F.max_pool2d(x, (1, 2), 1, return_indices=True)[0],
    ],
    "avgpool(output=2)<0": [
        lambda s, x: F.adaptive_avg_pool2d(x, 2),
        lambda s, x: nn.AdaptiveAvgPool2d((2, 2))(x),
    ],
    "globalpool(kind=mean)<0": [
        lambda s, x: F.adaptive_avg_pool2d(x, 1),
        lambda s, x: x.mean((-1, -2)),
        lambda s, x: torch.mean(x, dim=[2, 3]),
        lambda s, x: nn.AdaptiveAvgPool2d((1, 1))(x),
    ],
    "globalpool(kind=max)<0": [
        lambda s, x: F.adaptive_max_pool2d(x, (1, 1)),
        lambda s, x: x.amax((2, 3)),
        lambda s, x: nn.AdaptiveMaxPool2d(1)(x),
    ],
    "avgpool(kernel=1,stride=1)<0 globalpool(kind=mean)<1": [
        lambda s, x: F.avg_pool1d(x.flatten(2), 1).mean(2),
        lambda s, x: F.avg_pool2d(x, 1).flatten(2).mean(-1),
        lambda s, x: nn.AvgPool2d(1)(x).flatten(start_dim=2).mean(dim=2),
        lambda s, x: F.avg_pool2d(x, 1).mean((3, 2)),
    ],
    "upsample(scale=2)<0": [
        lambda s, x: F.interpolate(x, scale_factor=(2.0, 2.0)),
        lambda s, x: F.interpolate(x, None, 2, "bicubic"),
        lambda s, x: nn.Upsample(scale_factor=2, mode="bilinear")(x),
        lambda s, x: F.pixel_shuffle(x, 2),
    ],
    "upsample()<0": [
        lambda s, x: F.interpolate(x, size=(8, 8)),
        lambda s, x: F.interpolate(x, x.shape[2:], mode="bilinear"),
    ],
    "reduce(kind=select)<0": [
        lambda s, x: x[:, 0],
        lambda s, x: x[:, -1, :],
        lambda s, x: x.select(dim=1, index=0),
        lambda s, x: x[:, 0, 1],
        lambda s, x: x[..., x.size(3) - 1],
    ],
    "reduce(kind=max)<0": [
        lambda s, x: x.max(1)[0],
        lambda s, x: torch.max(x, dim=1).values,
        lambda s, x: x.amax(1),
    ],
    "reduce(kind=mean)<0": [
        lambda s, x: x.mean(1),
        lambda s, x: x.mean(),
        lambda s, x: torch.mean(x, dim=-1, keepdim=True),
    ],
    "embedding(channels=4)<0": [
        lambda s, x: F.embedding(x.long(), s.weight),
        lambda s, x: s.weight[x.long()],
    ],
    "mul()<0": [lambda s, x: x**2, lambda s, x: x * x, lambda s, x: torch.square(x)],
    "zero()<0": [
        lambda s, x: x * 0,
        lambda s, x: x.mul(0.0),
        lambda s, x: torch.zeros_like(x),
        lambda s, x: x.zero_(),
    ],
    "param()<0 add()<0,1": [
        lambda s, x: x + s.weight,
        lambda s, x: x - s.scale.view(1, -1, 1, 1),
        lambda s, x: s.weight[:, :2].repeat(1, 2).add(x),
        lambda s, x: x + torch.arange(4),
        lambda s, x: x.add_(s.weight.exp()),
    ],
    "param()<0 mul()<0,1": [lambda s, x: s.scale * x, lambda s, x: x / s.scale],
    "param()<0 matmul()<0,1": [
        lambda s, x: x @ s.weight,
        lambda s, x: torch.matmul(x, s.weight),
        lambda s, x: torch.einsum("bchw,wd->bchd", x, s.weight),
    ],
    "act(kind=relu)<0 concat()<0,1": [
        lambda s, x: torch.cat([F.relu(x), x]),
        lambda s, x: torch.stack((x, x.relu()), dim=1),
    ],
    "act(kind=compare)<0 act(kind=tanh)<0 mul()<1,2": [
        lambda s, x: (x > 0) * x.tanh(),
        lambda s, x: torch.logical_not(x).float() * torch.tanh(x),
    ],
    # what is no node
    "": [
        lambda s, x: F.dropout(x, 0.5, True),
        lambda s, x: nn.Dropout2d()(x),
        lambda s, x: nn.Identity()(x),
        lambda s, x: x.view(2, -1).unsqueeze(1).contiguous(),
        lambda s, x: x.permute(0, 2, 3, 1).flatten(1),
        lambda s, x: x.transpose(1, 2).squeeze(),
        lambda s, x: x.to(torch.float64).float(),
        lambda s, x: x.mT.expand(2, 4, 4, 4),
        lambda s, x: x[:, :2],
        lambda s, x: x.chunk(2, 1)[0],
        lambda s, x: torch.cat(x.split(2, 1), dim=1),
        lambda s, x: F.pad(x, (1, 1)),
        lambda s, x: nn.ReflectionPad2d(1)(x),
        lambda s, x: 1 - (2 * x + 1) / 3,
        lambda s, x: x / math.sqrt(x.size(-1)) + x.shape[0],
        lambda s, x: x + torch.zeros(4),
        lambda s, x: x.masked_fill(x > 0, 0.0),
        lambda s, x: torch.where(x > 0, x, 0.1 * x),
        lambda s, x: torch.cat([s.scale.expand(2, 4, 4, 4), x], dim=1),
    ],
}
"""By what a trace must give, functions of (module, input); see `describe` in the tests."""
